"""The envelope around values in a store of bytes: functions.md 21, issue 2 point 4 (versioned; unknown is a miss)."""

import dataclasses
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.envelope import OVERHEAD, Envelope, pack, unpack

times = st.floats(allow_nan=False)
envelopes = st.builds(
    Envelope,
    codec=st.integers(0, 255),
    payload=st.binary(max_size=50),
    created=times,
    fresh_until=times,
    expires=times,
    cost=st.floats(0, 1e6),
    tags=st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=16)), max_size=4).map(tuple),
    label=st.text(max_size=20),
    compression=st.integers(0, 255),
)


@given(envelopes)
def test_an_envelope_comes_back_as_it_was(envelope):
    """Every field survives, tags and label of any text included."""
    assert unpack(pack(envelope)) == envelope


@given(envelopes, st.data())
def test_a_truncated_envelope_is_refused_or_loses_payload_alone(envelope, data):
    """21: bytes that end too soon are a DecodingError, or the envelope with less payload, for its codec to judge."""
    packed = pack(envelope)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))] if packed else b""
    try:
        found = unpack(cut)
    except DecodingError:
        return
    assert msgspec.structs.replace(found, payload=b"") == msgspec.structs.replace(envelope, payload=b"")
    assert envelope.payload.startswith(found.payload)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data):
    """21: no bytes of others raise anything but DecodingError."""
    try:
        unpack(data)
    except DecodingError:
        pass
    else:
        assert data.startswith(b"\xc1L\x01")


@given(envelopes, st.data())
def test_damaged_bytes_raise_nothing_but_decoding_errors(envelope, data):
    """21: a byte that was changed is found, or gives some envelope; it is never another exception."""
    packed = bytearray(pack(envelope))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(bytes(packed))
    except DecodingError:
        pass


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused(version):
    """21: old and new code share a store: each refuses what it does not know."""
    packed = pack(Envelope(0, b"x", 1.0, 2.0, 3.0))
    with pytest.raises(DecodingError, match="version"):
        unpack(packed[:2] + bytes([version]) + packed[3:])


@pytest.mark.parametrize(
    "data", [None, "text", bytearray(b"\xc1L"), memoryview(b"x"), 7], ids=lambda x: type(x).__name__
)
def test_what_is_no_bytes_is_refused(data):
    """21: a backend that returns something else is a miss, not a TypeError."""
    with pytest.raises(DecodingError, match=f"not bytes but {type(data).__name__}"):
        unpack(data)


@pytest.mark.parametrize(
    "change",
    [
        {"label": "x" * 70_000},
        {"tags": (("x" * 70_000, b""),)},
        {"tags": (("t", b"x" * 300),)},
        {"label": "\ud800"},
    ],
    ids=["label", "tag", "generation", "surrogate"],
)
def test_what_does_not_fit_is_an_encoding_error(change):
    """DESIGN: what cannot be encoded is returned uncached, which EncodingError stands for."""
    with pytest.raises(EncodingError):
        pack(msgspec.structs.replace(Envelope(0, b"", 1.0, 2.0, 3.0), **change))


def test_the_head_is_small_and_for_ever_is_infinity():
    """The envelope of a value without tags or label costs its head alone."""
    packed = pack(Envelope(0, b"payload", 1.0, math.inf, math.inf))
    assert len(packed) == OVERHEAD + len(b"payload")
    assert unpack(packed).expires == math.inf
    assert not dataclasses.is_dataclass(Envelope)


def test_any_flipped_bit_is_noticed():
    """An envelope in which one bit was flipped, wherever it is, is not taken for one."""
    whole = pack(Envelope(0, b"payload", 1.0, 2.0, 3.0, 0.5, (("tag", b"generation"),), "label"))
    for place in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(DecodingError):
            unpack(bytes(flipped))
