"""Entries as bytes: they read back, and nothing planted in a store is sent."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.errors import DecodingError
from cachelayer.http import StoredResponse, Variant, VariantIndex, decode_entry, encode_entry
from tests.http.support import planned, stored

ENTRY = stored(
    "Cache-Control: public, max-age=60", 'ETag: "a"', "Vary: X", "X: 1", "X: 2", plan=planned("X: y"), body=b"\0\xff",
    label="GET /a",
)  # fmt: skip
INDEX = VariantIndex((Variant((b"x",), "key", 1.0),))


@pytest.mark.parametrize("entry", [ENTRY, INDEX, VariantIndex(())])
def test_an_entry_reads_back(entry):
    """All of it, order and repetition included."""
    assert decode_entry(encode_entry(entry)) == entry


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": ((b"x", b"a\r\nset-cookie: b"),)},
        {"headers": ((b"x", b"a\nb"),)},
        {"headers": ((b"x", b"a\0b"),)},
        {"headers": ((b"x\r\ny", b"a"),)},
        {"headers": ((b"x: y", b"a"),)},
        {"headers": ((b"x", b"a"), (b"", b"a"))},
        {"phrase": b"Fine\r\nset-cookie: b"},
        {"status": 99},
        {"status": 101},
        {"status": 600},
        {"fresh_until": float("nan")},
        {"initial_age": float("inf")},
    ],
)
def test_what_must_not_be_sent_is_an_error(changes):
    """A planted CR, LF, NUL, name, status or time is a miss to the caller."""
    with pytest.raises(DecodingError):
        decode_entry(encode_entry(msgspec.structs.replace(ENTRY, **changes)))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"null", msgspec.msgpack.encode(["response"]), encode_entry(ENTRY)[:-1],
                                  encode_entry(ENTRY) + b"x", msgspec.msgpack.encode(["other", 1])])  # fmt: skip
def test_foreign_and_truncated_bytes_are_an_error(data):
    """They are no entry of ours."""
    with pytest.raises(DecodingError):
        decode_entry(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data):
    """There is one error for all of them."""
    try:
        decode_entry(data)
    except DecodingError:
        pass


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_a_changed_byte_gives_an_entry_or_the_error(position, value):
    """Damage inside is either harmless to send or refused."""
    data = bytearray(encode_entry(ENTRY))
    data[position % len(data)] = value
    try:
        entry = decode_entry(bytes(data))
    except DecodingError:
        return
    assert isinstance(entry, StoredResponse)
    assert not any(set(name + content) & set(b"\r\n\0") for name, content in entry.headers)
