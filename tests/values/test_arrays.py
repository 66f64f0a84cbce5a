"""numpy's arrays and scalars: functions.md 20 and 21."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.tree import decode_tree, encode_tree

STRUCTURE = [("a", "<i4"), ("b", [("c", ">f8"), ("d", "S3")]), ("e", "<i2", (2,))]

ARRAYS = {
    "ints": np.arange(5),
    "no dimension": np.array(5.5),
    "empty": np.zeros((0, 3)),
    "empty within": np.zeros((2, 0, 3)),
    "Fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "strided": np.arange(10)[::-2],
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "text": np.array(["a", "bcd\u20ac"]),
    "bytes": np.array([b"a", b"bcd"]),
    "times": np.array(["2025-01-01", "NaT"], dtype="datetime64[us]"),
    "spans": np.array([1, 2], dtype="timedelta64[h]"),
    "structure": np.zeros(2, dtype=STRUCTURE),
    "aligned structure": np.array([(1, 2.0)], dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "nan": np.array([np.nan, -0.0, np.inf]),
    "half": np.array([1.5], dtype="f2"),
    "read-only": np.frombuffer(b"abcd", dtype="u1"),
}

SCALARS = [
    np.float64(1.5),
    np.float32("nan"),
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.complex64(1j),
    np.datetime64("2025-01-01", "D"),
    np.datetime64("NaT", "ns"),
    np.timedelta64(3, "h"),
    np.str_("x\u20ac"),
    np.str_(""),
    np.bytes_(b"ab"),
]


def assert_same(copy, array):
    """Compare arrays by everything that can be told apart."""
    assert type(copy) is type(array)
    assert (copy.dtype, copy.shape) == (array.dtype, array.shape)
    # Bytes between the fields of an aligned structure may be anything.
    assert repr(copy.tolist()) == repr(array.tolist()) if array.dtype.isalignedstruct else True
    assert copy.tobytes() == array.tobytes() or array.dtype.isalignedstruct


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_an_array_comes_back_as_it_was(array):
    """20: dtype, byte order, shape and every bit."""
    assert_same(decode_tree(encode_tree(array)), array)
    assert_same(decode_tree(encode_tree({"a": [array]}))["a"][0], array)


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=3)))
def test_any_array_comes_back_as_it_was(array):
    """20: of any dtype that is no object, of any shape."""
    assert_same(decode_tree(encode_tree(array)), array)


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: f"{type(scalar).__name__}-{scalar}")
def test_a_scalar_comes_back_as_it_was(scalar):
    """20: np.float64 is not float, although it is one."""
    copy = decode_tree(encode_tree(scalar))
    assert_same(copy, scalar)


def test_the_order_of_an_array_is_kept():
    """20: what was made for columns stays so."""
    copy = decode_tree(encode_tree(ARRAYS["Fortran"]))
    assert copy.flags.f_contiguous
    assert not copy.flags.c_contiguous


def test_a_decoded_array_is_ones_own():
    """19: it can be written to, and nobody else sees it."""
    data = encode_tree(ARRAYS["read-only"])
    copy = decode_tree(data)
    copy[0] = 0
    assert decode_tree(data)[0] == ord("a")


REFUSED = {
    "objects": np.array([object()]),
    "object in a structure": np.zeros(1, dtype=[("a", "O")]),
    "masked": np.ma.array([1, 2], mask=[True, False]),
    "matrix": np.zeros(2).view(type("Derived", (np.ndarray,), {})),
    "dtype of its own kind": np.array(["x"], dtype=np.dtypes.StringDType()),
    "metadata": np.zeros(1, dtype=np.dtype("i4", metadata={"unit": "m"})),
    "record": np.zeros(1, dtype=STRUCTURE)[0],
}


@pytest.mark.parametrize("array", REFUSED.values(), ids=REFUSED)
def test_what_npy_would_change_is_refused(array):
    """20: EncodingError rather than an array of another kind; objects would take a pickle."""
    with pytest.raises(EncodingError):
        encode_tree(array)


def header(shape, descr="'<i8'"):
    """Return the head of an npy that says so."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "npy",
    [
        header("(10000000000000,)"),
        header("(-1, -1)") + bytes(8),
        header("(2,)") + bytes(8),
        header("(1,)") + bytes(16),
        header("(1,)", "'|O'") + bytes(8),
        header("(0,)", "'|O'"),
        header("(10**9,)", "'|V0'"),
        header("__import__('os').system('true')"),
        header("(1,)", "[('a', '<i4'), ('a', '<i4')]") + bytes(8),
        b"\x93NUMPY\x03\x00" + (10**6).to_bytes(4, "little") + b" " * 10**6,
        b"",
    ],
    ids=[
        "huge",
        "negative",
        "short",
        "long",
        "object",
        "no objects",
        "empty items",
        "code",
        "names",
        "header",
        "none",
    ],
)
def test_planted_arrays_are_refused(npy):
    """21 and security: a size that is not there is never allocated, and nothing is run."""
    from cachelayer.values.arrays import ARRAY

    data = encode_tree([npy]).replace(b"\x92\x00", bytes([0x92, ARRAY]), 1)
    with pytest.raises(DecodingError):
        decode_tree(data)


def test_without_numpy_an_array_is_a_miss(monkeypatch):
    """21: a process that does not have what an entry needs computes the value by itself."""
    data = encode_tree(np.arange(3))
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    with pytest.raises(DecodingError, match=r"pip install 'cachelayer\[numpy\]'"):
        decode_tree(data)


@given(st.datetimes())
def test_times_keep_their_unit(moment):
    """20: datetime64 keeps what it counts in."""
    for unit in ("s", "us"):
        value = np.datetime64(moment.replace(microsecond=0), unit)
        assert_same(decode_tree(encode_tree(value)), value)
    assert isinstance(moment, dt.datetime)
