"""Which Redis key an entry has.

    cl:NAMESPACE:KEY                  an entry
    cl-book:NAMESPACE:gen:TAG         book-keeping: generations, marks, leases

so that one SCAN pattern finds the entries of one namespace and nothing else. On a cluster a hash tag stands before
the key, `cl:NAMESPACE:{1c291ca3}KEY`: a digest of the key beside which this one belongs (`home_of`), so that a mark
is in the slot of the key that it marks. The whole key follows, so two keys never share a name.
"""

from __future__ import annotations

import re
import zlib
from typing import Final
from urllib.parse import quote

import msgspec

from cachelayer.backends.generations import BOOKKEEPING, home_of

_HASH_TAG: Final = re.compile(rb"\{[0-9a-f]{8}\}")
_WILDCARDS: Final = re.compile(r"[*?]+")


class Layout(msgspec.Struct, frozen=True):
    """The names of one namespace's keys.

    Attributes:
        entries: what the name of each entry starts with.
        books: what the name of each book-keeping key starts with.
        hash_tags: whether names have hash tags, for a cluster.
    """

    entries: bytes
    books: bytes
    hash_tags: bool

    def name(self, key: str) -> bytes:
        """Return the name under which Redis keeps `key`."""
        if key.startswith(BOOKKEEPING):
            return self.books + self._hash_tag(key) + _encode(key[len(BOOKKEEPING) :])
        if not self.hash_tags:
            return self.entries + key.encode("utf-8", "surrogatepass")
        return self.entries + self._hash_tag(key) + _encode(key)

    def beside(self, key: str) -> bytes:
        """Return the name of a key that a script may use for itself, in the slot of `key`."""
        return self.books + self._hash_tag(key) + b"sum:" + _encode(key)

    def key(self, name: bytes) -> str:
        """Return the key of an entry's name."""
        rest = name[len(self.entries) :]
        if self.hash_tags:
            rest = rest[_TAG_SIZE:] if _HASH_TAG.match(rest) else rest
        return rest.decode("utf-8", "surrogatepass")

    def pattern(self, glob: str | None) -> bytes:
        """Return a SCAN pattern that matches at least the entries whose keys match `glob`.

        Redis has a dialect of its own, and counts bytes: what is more than literal text becomes a star here.
        """
        tag = b"{????????}" if self.hash_tags else b""
        literal, bracket, _ = (glob if glob is not None else "*").partition("[")
        parts = [_escape(_encode(part)) for part in _WILDCARDS.split(literal)]
        return _escape(self.entries) + tag + b"*".join(parts) + (b"*" if bracket else b"")

    def together(self, key: str, other: str) -> bool:
        """Whether one script may touch both keys."""
        return not self.hash_tags or self._hash_tag(key) == self._hash_tag(other)

    def _hash_tag(self, key: str) -> bytes:
        return b"{%08x}" % zlib.crc32(_encode(home_of(key))) if self.hash_tags else b""


_TAG_SIZE: Final = len("{01234567}")


def make_layout(namespace: str, *, hash_tags: bool) -> Layout:
    """Return the layout of a namespace; any text is one, and no two share a name."""
    # Quoted, so that a colon ends it, and that it means nothing to SCAN or to the hash slots.
    space = quote(namespace, safe="@/+=,~ ", errors="surrogatepass").encode()
    return Layout(b"cl:" + space + b":", b"cl-book:" + space + b":", hash_tags)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _escape(literal: bytes) -> bytes:
    return re.sub(rb"([\\*?\[\]])", rb"\\\1", literal)
