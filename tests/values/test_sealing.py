"""Signature, compression and their order: functions.md 21 and 22, security.md."""

import dataclasses
import math
import os
import tracemalloc
import zlib

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.errors import ConfigurationError, DecodingError, OptionTypeError
from cachelayer.values import compression, sealing, signing
from cachelayer.values.compression import LARGEST, NONE, SMALLEST, ZLIB, ZSTANDARD, compress, decompress
from cachelayer.values.envelope import OVERHEAD, Envelope, pack, unpack
from cachelayer.values.sealing import Sealing
from cachelayer.values.signing import SecretKeys

KEY, OTHER = "k" * 16, os.urandom(32)
SMALL = Envelope(0, b"payload", 1.0, 2.0, math.inf, 0.5, (("tag", b"g"),), "label")
LARGE = msgspec.structs.replace(SMALL, payload=b"text " * 1000)
SEALINGS = {
    "plain": Sealing(),
    "signed": Sealing(KEY),
    "rotating": Sealing([OTHER, KEY]),
    "uncompressed": Sealing(compress=False),
    "both": Sealing([KEY], compress=False),
}


@pytest.fixture(params=["zstandard", "zlib"])
def algorithm(request, monkeypatch):
    """Have either library."""
    if request.param == "zlib":
        monkeypatch.setattr(compression, "_zstandard", lambda: None)
    return request.param


@pytest.mark.parametrize("seal", SEALINGS.values(), ids=SEALINGS)
@pytest.mark.parametrize("envelope", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.usefixtures("algorithm")
def test_an_envelope_comes_back_as_it_was(seal, envelope):
    """21 and 22: whatever was done to it on its way."""
    assert seal.open("key", seal.seal("key", envelope)) == envelope


# -- signatures ---------------------------------------------------------------------------------------------------


def test_any_changed_byte_of_a_signed_entry_is_detected():
    """Security: a flipped bit, wherever it is, is a miss."""
    seal = Sealing(KEY)
    for envelope in (SMALL, LARGE):
        whole = seal.seal("key", envelope)
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] ^= 1 << place % 8
            with pytest.raises(DecodingError, match="not signed"):
                seal.open("key", bytes(changed))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_foreign_bytes_are_not_signed(data, cut):
    """Security: neither bytes of others nor a part of one's own."""
    seal = Sealing(KEY)
    for planted in (data, seal.seal("key", SMALL)[: -cut - 1], seal.seal("key", SMALL) + data + b"x"):
        with pytest.raises(DecodingError):
            seal.open("key", planted)


def test_an_entry_belongs_to_its_key():
    """Security: an entry that was moved to another key is a miss; keys cannot be shifted into the data."""
    seal = Sealing(KEY)
    for key, other in (("a", "b"), ("a", ""), ("ab", "a"), ("\ud800", "?")):
        with pytest.raises(DecodingError):
            seal.open(other, seal.seal(key, SMALL))


def test_keys_rotate():
    """Issue 4, 2: the first signs, all verify; what a removed key signed is a miss."""
    old, rotating, new = Sealing(KEY), Sealing([OTHER, KEY]), Sealing(OTHER)
    assert rotating.open("key", old.seal("key", SMALL)) == SMALL
    assert new.open("key", rotating.seal("key", SMALL)) == SMALL
    with pytest.raises(DecodingError):
        new.open("key", old.seal("key", SMALL))


def test_with_keys_only_signed_entries_are_taken_and_without_them_none():
    """Issue 4, 2: all entries are signed, or none: what is in between is a miss."""
    with pytest.raises(DecodingError, match="not signed"):
        Sealing(KEY).open("key", Sealing().seal("key", SMALL))
    with pytest.raises(DecodingError, match="a signed one where no secret keys are given"):
        Sealing().open("key", Sealing(KEY).seal("key", SMALL))


def test_nothing_is_looked_at_before_the_signature(monkeypatch):
    """DESIGN: bytes that are not signed are neither unpacked nor inflated."""
    for step in ("unpack", "decompress"):
        monkeypatch.setattr(sealing, step, None)
    with pytest.raises(DecodingError, match="not signed"):
        Sealing(KEY).open("key", Sealing().seal("key", LARGE))


def test_signatures_are_compared_in_constant_time(monkeypatch):
    """Security: by the function that is there for it."""
    compared = []
    monkeypatch.setattr(signing.hmac, "compare_digest", lambda *both: compared.append(both) or False)
    with pytest.raises(DecodingError):
        Sealing([KEY, OTHER]).open("key", Sealing(KEY).seal("key", SMALL))
    assert len(compared) == 2


@pytest.mark.parametrize("data", [None, "text", bytearray(100), 7], ids=str)
def test_what_is_no_bytes_is_refused(data):
    """21: a backend that returns something else is a miss, with and without keys."""
    for seal in (Sealing(), Sealing(KEY)):
        with pytest.raises(DecodingError, match="not bytes"):
            seal.open("key", data)


WRONG_KEYS = {
    "short": ("secret", ConfigurationError, r"at least 16 bytes, but one of secret_keys= has 6: .*token_hex"),
    "one short": ([KEY, b"x"], ConfigurationError, "has 1"),
    "none": ([], ConfigurationError, "secret_keys= is empty"),
    "empty": ("", ConfigurationError, "has 0"),
    "int": ([7], OptionTypeError, "takes str and bytes, but has int"),
}


@pytest.mark.parametrize(("keys", "error", "message"), WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_wrong_keys_are_refused(keys, error, message):
    """Bad input: at the start, with an error that says what to do, and does not show the key."""
    with pytest.raises(error, match=message) as caught:
        Sealing(keys)
    assert "secret'" not in str(caught.value)


def test_keys_appear_in_no_repr():
    """Secrets never appear in a repr or a log."""
    assert repr(Sealing([KEY, OTHER])) == "<Sealing keys=<SecretKeys: 2> compress=True>"
    assert KEY not in repr(vars(signing)) + repr(SecretKeys(KEY))


def test_text_and_bytes_are_one_key():
    """A key may be given as either."""
    assert Sealing(KEY.encode()).open("key", Sealing(KEY).seal("key", SMALL)) == SMALL


# -- compression --------------------------------------------------------------------------------------------------


def test_large_values_are_compressed(algorithm):
    """22: from 1 KiB, by zstandard where it is installed, else by zlib."""
    sealed = Sealing().seal("key", LARGE)
    assert len(sealed) < len(LARGE.payload) / 10
    assert unpack(sealed).compression == {"zstandard": ZSTANDARD, "zlib": ZLIB}[algorithm]


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (b"x" * (SMALLEST - 1), NONE),
        (b"x" * SMALLEST, ZSTANDARD),
        (os.urandom(5000), NONE),
        (os.urandom(4600) + b"x" * 400, NONE),
        (os.urandom(4000) + b"x" * 1000, ZSTANDARD),
        (b"x" * (LARGEST + 1), NONE),
    ],
    ids=["small", "1 KiB", "random", "saves less than a tenth", "saves more", "too large"],
)
def test_only_what_it_is_worth_is_compressed(payload, number):
    """22: from 1 KiB, when it saves at least 10 %."""
    envelope = msgspec.structs.replace(SMALL, payload=payload)
    sealed = Sealing().seal("key", envelope)
    assert unpack(sealed).compression == number
    assert Sealing().open("key", sealed) == envelope


def test_compression_can_be_turned_off():
    """22: what is compressed is still read."""
    off = Sealing(compress=False)
    assert len(off.seal("key", LARGE)) > len(LARGE.payload)
    assert off.open("key", Sealing().seal("key", LARGE)) == LARGE
    with pytest.raises(OptionTypeError, match="compress must be True or False"):
        Sealing(compress="zlib")


def test_without_zstandard_its_entries_are_a_miss(monkeypatch):
    """22: a process that cannot inflate an entry computes the value by itself, and others read what it writes."""
    sealed = Sealing().seal("key", LARGE)
    monkeypatch.setattr(compression, "_zstandard", lambda: None)
    with pytest.raises(DecodingError, match=r"pip install 'cachelayer\[zstandard\]'"):
        Sealing().open("key", sealed)
    own = Sealing().seal("key", LARGE)
    monkeypatch.undo()
    assert Sealing().open("key", own) == LARGE


def test_whether_zstandard_is_there_is_found_out(monkeypatch):
    """22: by importing it."""
    compression._zstandard.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    assert compress(b"x" * 2000)[0] == ZLIB
    monkeypatch.undo()
    compression._zstandard.cache_clear()
    assert compress(b"x" * 2000)[0] == ZSTANDARD


def size(length):
    """Return what a value's length is written as."""
    return length.to_bytes(8, "little")


def unsized(data):
    """Return a zstandard frame that does not say how long its content is."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(data)


TEN = b"x" * 10
BOMBS = {
    "zlib, honest": (ZLIB, lambda data: size(10**10) + zlib.compress(data)),
    "zlib, lying": (ZLIB, lambda data: size(10) + zlib.compress(data)),
    "zlib, more than it says": (ZLIB, lambda _: size(9) + zlib.compress(TEN)),
    "zlib, less than it says": (ZLIB, lambda _: size(11) + zlib.compress(TEN)),
    "zlib, truncated": (ZLIB, lambda _: size(10) + zlib.compress(TEN)[:-5]),
    "zlib, more after it": (ZLIB, lambda _: size(10) + zlib.compress(TEN) + b"x"),
    "zlib, damaged": (ZLIB, lambda _: size(10) + b"x" * 10),
    "zlib, empty": (ZLIB, lambda _: b""),
    "zstandard, honest": (ZSTANDARD, lambda data: size(10**10) + zstandard.compress(data)),
    "zstandard, lying": (ZSTANDARD, lambda data: size(10) + zstandard.compress(data)),
    "zstandard, size unknown": (ZSTANDARD, lambda data: size(10) + unsized(data)),
    "zstandard, truncated": (ZSTANDARD, lambda _: size(10) + zstandard.compress(TEN)[:-5]),
    "zstandard, more after it": (ZSTANDARD, lambda _: size(10) + zstandard.compress(TEN) * 2),
    "zstandard, damaged": (ZSTANDARD, lambda _: size(10) + b"x" * 10),
    "unknown algorithm": (7, lambda _: size(10) + TEN),
}


@pytest.mark.parametrize(("number", "make"), BOMBS.values(), ids=BOMBS)
def test_what_inflates_to_more_than_it_says_is_refused(number, make):
    """Security: a bomb is a miss, and memory stays flat."""
    bomb = make(bytes(50 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(DecodingError):
            decompress(number, bomb)
        with pytest.raises(DecodingError):
            Sealing().open("key", pack(Envelope(0, bomb, 1.0, 2.0, 3.0, compression=number)))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=100), st.integers(0, 255))
def test_foreign_bytes_do_not_inflate(data, number):
    """21: whatever they are, they are a value or a DecodingError."""
    try:
        decompress(number, data)
    except DecodingError:
        pass


def test_the_overhead_is_what_it_says():
    """backends.md, bounds: an entry counts as many bytes as it takes."""
    envelope = Envelope(0, b"payload", 1.0, 2.0, 3.0)
    assert len(Sealing().seal("key", envelope)) == OVERHEAD + 7
    assert len(Sealing(KEY).seal("key", envelope)) == OVERHEAD + signing.SIZE + 7
    assert not dataclasses.is_dataclass(Sealing)
