"""Names of keys, and patterns that find them."""

import fnmatch
import re

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from cachelayer.backends.generations import BOOKKEEPING, generation_key, lease_key, mark_key
from cachelayer.backends.redis.layout import Layout, make_layout

KEYS = st.text(st.characters() | st.sampled_from("*?[]{}:!\\^-a"), max_size=12)
LAYOUTS = st.builds(make_layout, KEYS, hash_tags=st.booleans())


@given(LAYOUTS, KEYS)
def test_a_name_gives_its_key_back(layout: Layout, key: str):
    """Any text is a key, and is found again in its name (14)."""
    assert layout.key(layout.name(key)) == key


@given(KEYS, KEYS, KEYS, KEYS)
def test_names_never_collide(space: str, key: str, other_space: str, other: str):
    """Two keys, or two namespaces, never share a name; nor do entries and book-keeping (14, 17)."""
    names = {
        make_layout(each, hash_tags=False).name(text)
        for each in (space, other_space)
        for text in (key, other)
    }
    assert len(names) == len({space, other_space}) * len({key, other})
    layout = make_layout(space, hash_tags=False)
    books = [layout.name(of(key)) for of in (generation_key, lease_key, mark_key)] + [layout.beside(key)]
    assert not any(name.startswith(layout.entries) for name in books)
    assert len({*books, layout.name(key)}) == 5 - (mark_key(key) == generation_key(key))


@given(LAYOUTS, KEYS, KEYS)
def test_a_scan_pattern_never_matches_too_little(layout: Layout, key: str, glob: str):
    """What a glob matches, the pattern that Redis is given matches too (15)."""
    if re.compile(fnmatch.translate(glob)).match(key):
        assert matches_in_redis(layout.pattern(glob), layout.name(key))
    assert matches_in_redis(layout.pattern(None), layout.name(key))


@given(KEYS, st.booleans())
def test_a_namespace_finds_nothing_of_others(key: str, hash_tags: bool):
    """A namespace full of wildcards finds its own keys alone (17)."""
    greedy = make_layout("*[a-z]?", hash_tags=hash_tags).pattern(None)
    assert not matches_in_redis(greedy, make_layout("abc", hash_tags=hash_tags).name(key))
    assert not matches_in_redis(greedy, make_layout("", hash_tags=hash_tags).name(key))


@given(KEYS, KEYS)
def test_a_mark_is_in_its_keys_slot(space: str, key: str):
    """On a cluster a key, its mark, and what a script needs beside it share a slot (19)."""
    layout = make_layout(space, hash_tags=True)
    slots = {key_slot(name) for name in (layout.name(key), layout.name(mark_key(key)), layout.beside(key))}
    assert len(slots) == 1
    assert layout.together(key, mark_key(key))


def test_names_are_readable():
    """What redis-cli shows tells the namespace and the key."""
    layout = make_layout("shop", hash_tags=False)
    assert layout.name("user:1") == b"cl:shop:user:1"
    assert layout.name(BOOKKEEPING + "gen:users") == b"cl-book:shop:gen:users"
    assert make_layout("a:b", hash_tags=True).name("user:1").startswith(b"cl:a%3Ab:{")


def matches_in_redis(pattern: bytes, name: bytes) -> bool:
    """Return what Redis's glob says, for the part of it that patterns here use: stars, "?" and escapes."""
    text = re.sub(rb"\\(.)|(\*)|(\?)|(.)", _in_regex, pattern, flags=re.DOTALL)
    return re.fullmatch(text, name, re.DOTALL) is not None


def _in_regex(match: re.Match[bytes]) -> bytes:
    if match[2]:
        return b".*"
    if match[3]:
        return b"."
    return re.escape(match[1] or match[4])
