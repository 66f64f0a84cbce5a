"""Key and tag templates, and keys by a callable: acceptance functions.md 7."""

import enum
import types
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import pytest

from cachelayer import Cache, ConfigurationError, KeyingError, OptionTypeError, cached
from tests.functions.support import Calls

USER = types.SimpleNamespace(id=7, team=types.SimpleNamespace(name="red"), roles=["admin", "staff"])


@pytest.mark.parametrize(
    ("template", "args", "key"),
    [
        ("user:{user_id}", (7,), "user:7"),
        ("user:{user_id}", (-7,), "user:-7"),
        ("user:{user_id}", ("ann",), "user:ann"),
        ("user:{user_id}", ("7",), "user:'7'"),
        ("user:{user_id}", ("",), "user:''"),
        ("user:{user_id}", ("a b:c",), "user:a%20b%3Ac"),
        ("user:{user_id}", ("é",), "user:'%C3%A9'"),
        ("user:{user_id}", (None,), "user:<n>"),
        ("user:{user_id}", (True,), "user:<T>"),
        ("user:{user_id.id}", (USER,), "user:7"),
        ("team:{user_id.team.name}", (USER,), "team:red"),
        ("role:{user_id.roles[1]}", (USER,), "role:staff"),
        ("role:{user_id[name]}", ({"name": "x"},), "role:x"),
        ("everybody", (7,), "everybody"),
        ("{{{user_id}}}", (7,), "{7}"),
        ("{user_id}-{b}", ("a-b", 1), "a%2Db-1"),
        ("{user_id}:{b}", ("a-b", 1), "a-b:1"),
    ],
)
def test_a_template_gives_the_key(template, args, key):
    """7: attribute and item access, ints and words as they are, everything else escaped and marked."""
    f = cached(cache=Cache(), key=template)(lambda user_id, b=None: None)
    assert f.key_for(*args) == key


def test_spellings_of_a_call_are_one_entry_by_a_template(world):
    """1, 7: defaults are filled in before a template is."""
    calls = Calls()
    f = world.cached(key="{a}:{b}")(lambda a, b=5: calls())
    assert [world.run(f(1)), world.run(f(a=1, b=5)), world.run(f(1, 6))] == [1, 1, 2]


def test_a_callable_key_has_the_functions_own_signature(world):
    """7: `key=` is called with the arguments as the function gets them."""
    calls = Calls()
    f = world.cached(key=lambda a, b=5, *, c=0: f"{a}:{b}")(lambda a, b=5, *, c=0: calls())
    assert f.key_for(1, c=9) == "1:5"
    assert [world.run(f(1)), world.run(f(1, 5, c=9)), world.run(f(b=6, a=1))] == [1, 1, 2]


def test_a_callable_key_may_return_any_value_with_an_identity():
    """7: what is no text is encoded as arguments are."""
    f = cached(cache=Cache(), key=lambda a: (a, 1))(lambda a: None)
    assert f.key_for("x") != f.key_for(b"x")
    bad = cached(cache=Cache(), name="bad", key=lambda a: object())(lambda a: None)
    with pytest.raises(KeyingError, match=r"key= of bad returned <object object.*cannot be a key"):
        bad(1)


def test_a_field_that_cannot_be_filled_in_names_it():
    """7: the error says which field of which function's template has no value."""
    f = cached(cache=Cache(), name="load", key="u:{user.id}")(lambda user: None)
    for user in (None, object()):
        with pytest.raises(KeyingError, match=r"key= of load: \{user.id\} cannot be filled in"):
            f(user)
    g = cached(cache=Cache(), name="load", key="u:{user}")(lambda user: None)
    with pytest.raises(KeyingError, match=r"key= of load: \{user\} cannot be filled in"):
        g(object())


def test_extras_of_a_call_can_be_named():
    """7: `*args` and `**kwargs` are a tuple and a dict in templates."""
    f = cached(cache=Cache(), key="{rest[0]}:{more[x]}")(lambda *rest, **more: None)
    assert f.key_for(1, x=2) == "1:2"


def test_namespaces_are_part_of_a_templates_key(world):
    """7: two namespaces of one store keep the same key= apart."""
    caches = [world.cache_over(world.cache.backend, namespace=name) for name in ("a", "a:")]
    functions = [
        world.cached(cache=cache, key=key)(lambda x, n=n: n)
        for n, (cache, key) in enumerate(zip(caches, ["{n}::b:{x}", "{n}:b:{x}"], strict=True))
    ]
    for _ in range(2):
        assert [world.run(f(1)) for f in functions] == [0, 1]


BAD = {
    "unknown parameter": ("user:{id}", "names an unknown parameter 'id'; known are \\['user_id'\\]"),
    "positional field": ("user:{0}", "unknown parameter '0'"),
    "empty field": ("user:{}", "unknown parameter ''"),
    "format": ("user:{user_id:>5}", "takes no conversion or format"),
    "conversion": ("user:{user_id!r}", "takes no conversion or format"),
    "open brace": ("user:{user_id", "is no template"),
    "closing brace": ("user:}", "is no template"),
    "nothing between fields": ("{user_id}{user_id}", "nothing separates two fields"),
    "only letters between fields": ("{user_id}x{user_id}", "nothing separates two fields"),
    "reserved": ("100%:{user_id}", "cannot contain any of"),
    "quote": ("'{user_id}'", "cannot contain any of"),
}


# A tag may be ambiguous: more is invalidated then.
AMBIGUOUS = ("nothing between fields", "only letters between fields", "reserved", "quote")
BAD_TAGS = {name: case for name, case in BAD.items() if name not in AMBIGUOUS}


@pytest.mark.parametrize(
    ("option", "template", "message"),
    [
        *(pytest.param("key", *case, id=f"key-{name}") for name, case in BAD.items()),
        *(pytest.param("tags", *case, id=f"tags-{name}") for name, case in BAD_TAGS.items()),
    ],
)
def test_a_template_that_cannot_work_raises_at_decoration(option, template, message):
    """7: unknown parameters and ambiguous templates are named where they are written, with option and function."""
    value = template if option == "key" else [template]
    with pytest.raises(ConfigurationError, match=message) as raised:
        cached(cache=Cache(), name="app.load", **{option: value})(lambda user_id: None)
    assert str(raised.value).startswith(f"{option}= of app.load")
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("key", [7, b"x", ["x"], ("x",)], ids=repr)
def test_a_key_of_another_type_raises_at_decoration(key):
    """Bad input: key= is a template or a callable."""
    with pytest.raises(OptionTypeError, match="must be a template or a callable"):
        cached(cache=Cache(), key=key)(lambda x: None)


class Colour(enum.Enum):
    """A colour."""

    RED = "red"


class Level(enum.IntEnum):
    """A level."""

    HIGH = 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        ("7", "7"),
        ("", ""),
        ("a b/ü:c", "a b/ü:c"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=42), "00000000-0000-0000-0000-00000000002a"),
        (date(2026, 1, 31), "2026-01-31"),
        (PurePosixPath("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Level.HIGH, "3"),
    ],
    ids=repr,
)
def test_an_argument_in_a_tag_is_what_it_is_in_a_text(value, text):
    """A tag is invalidated by the text that one would write for it (38)."""
    cache = Cache()
    function = cached(cache=cache, tags=["item:{item}"])(lambda item: "value")
    function(value)
    assert cache.invalidate_tags(f"item:{text}") == 1
    assert function.peek(value) is None


def test_what_has_no_text_of_its_own_stands_in_its_keys_form():
    """A list in a tag is encoded as in a key, rather than by a repr that may be anything (38)."""
    cache = Cache()
    function = cached(cache=cache, key="key", tags=["items:{items}"])(lambda items: "value")
    function([1])
    assert cache.invalidate_tags("items:[1]") == 0
    with pytest.raises(KeyingError, match="tags="):
        function(object())


def test_fields_of_a_tag_need_nothing_between_them():
    """Two fields may touch in a tag: at worst too much is invalidated (38)."""
    cache = Cache()
    function = cached(cache=cache, tags=["{one}{two}"])(lambda one, two: "value")
    function("a", "b")
    assert cache.invalidate_tags("ab") == 1
