"""Which keys there may be, and finding them."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

import hashlib
from typing import Final

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.testing.contract.base import ContractBase

_LONG: Final = "k" * 10_000
ODD_KEYS: Final = {
    "empty": "",
    "space": " ",
    "inner-space": "a b",
    "percent": "a%20b",
    "plus": "a+b",
    "newline": "a\nb",
    "crlf": "a\r\nset b 0 0 1",
    "tab": "a\tb",
    "nul": "\x00",
    "inner-nul": "a\x00b",
    "before-nul": "a",
    "upper": "A",
    "composed": "\u00e9",
    "decomposed": "e\u0301",
    "emoji": "\U0001f600",
    "surrogate": "\udc80",
    "chinese": "\u7f13\u5b58",
    "parent": "../../etc/passwd",
    "slash": "/",
    "dot": ".",
    "colons": "::a::",
    "braces": "{a}b",
    "glob": "*",
    "format": "{}%s",
    "long": _LONG,
    "long-other-end": _LONG[:-1] + "x",
    "longer": _LONG + "k",
    "hash-of-long": hashlib.sha256(_LONG.encode()).hexdigest(),
    "251-bytes": "m" * 251,
    "long-unicode": "\u7f13" * 3_000,
}
_NAMES: Final = [
    "user:1", "user:2", "user:10", "User:1", "item:1", "a*b", "axb", "a?b", "a[b", "a]b", "a\\b", "a.b",
    "a^b", "a-b", "line\nbreak", "", "\u7f13\u5b58",
]  # fmt: skip
_PATTERNS: Final = {
    "*": _NAMES,
    "user:*": ["user:1", "user:2", "user:10"],
    "*:1": ["user:1", "User:1", "item:1"],
    "user:?": ["user:1", "user:2"],
    "user:[12]": ["user:1", "user:2"],
    "user:[0-9]": ["user:1", "user:2"],
    "user:[!1]": ["user:2"],
    "user:[^1]": ["user:1"],  # only "!" negates
    "USER:1": [],
    "user": [],
    "a?b": ["a*b", "axb", "a?b", "a[b", "a]b", "a\\b", "a.b", "a^b", "a-b"],
    "a[*]b": ["a*b"],
    "a[?]b": ["a?b"],
    "a[[]b": ["a[b"],
    "a[]]b": ["a]b"],
    "a[b": ["a[b"],
    "a\\b": ["a\\b"],
    "a\\*b": ["a\\b"],  # a backslash is itself, and no escape
    "a.b": ["a.b"],
    "a[x-]b": ["axb", "a-b"],
    "a[!x]b": ["a*b", "a?b", "a[b", "a]b", "a\\b", "a.b", "a^b", "a-b"],
    "line*": ["line\nbreak"],
    "\u7f13?": ["\u7f13\u5b58"],
    "": [""],
}


class Keys(ContractBase):
    """Clauses 14 and 15."""

    @pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS)
    def test_any_string_is_a_key(self, ops: CacheBackend, key: str) -> None:
        """Every method works under every key (14)."""
        assert ops.set(key, b"value") is True
        assert ops.get(key) == b"value"
        assert ops.exists(key) is True
        assert ops.get_many([key]) == {key: b"value"}
        assert ops.add(key, b"other") is False
        assert ops.delete(key) is True
        assert ops.get(key) is None

    def test_keys_never_collide(self, ops: CacheBackend) -> None:
        """Keys that look alike, or are hashed where the store cannot take them, are different entries (14)."""
        items = {key: name.encode() for name, key in ODD_KEYS.items()}
        assert ops.set_many(items) == len(items)
        assert ops.get_many(items) == items

    def test_keys_come_back_as_they_were(self, ops: CacheBackend) -> None:
        """keys() lists the original keys (14)."""
        self.needs(self.supports_keys, "no keys()")
        assert ops.keys() == []
        ops.set_many(dict.fromkeys(ODD_KEYS.values(), b"value"))
        assert sorted(ops.keys()) == sorted(ODD_KEYS.values())
        assert sorted(ops.scan()) == sorted(ODD_KEYS.values())

    @pytest.mark.parametrize(("pattern", "expected"), _PATTERNS.items(), ids=[*map(repr, _PATTERNS)])
    def test_keys_are_found_by_pattern(self, ops: CacheBackend, pattern: str, expected: list[str]) -> None:
        """A pattern knows *, ?, [ab], [a-z] and [!a]; [*] stands for a star, and all else for itself (15)."""
        self.needs(self.supports_keys, "no keys()")
        ops.set_many(dict.fromkeys(_NAMES, b"value"))
        assert sorted(ops.keys(pattern)) == sorted(expected)
        assert sorted(ops.scan(pattern)) == sorted(expected)

    def test_expired_keys_are_not_listed(self, ops: CacheBackend) -> None:
        """keys() lists what is alive (12, 15)."""
        self.needs(self.supports_keys, "no keys()")
        ops.set("alive", b"value")
        ops.set("expired", b"value", ttl=self.tick)
        self.advance(1.5 * self.tick)
        assert ops.keys() == ["alive"]

    def test_keys_that_are_not_supported_raise(self, ops: CacheBackend) -> None:
        """A store that cannot list its keys says so rather than return none (15)."""
        self.needs(not self.supports_keys, "it has keys()")
        with pytest.raises(NotImplementedError):
            ops.keys()
        with pytest.raises(NotImplementedError):
            list(ops.scan())
