"""numpy's arrays and scalars in its own npy format, without pickle.

Any shape, order, byte order and structure of fields comes back as it was; objects are refused, and so is every dtype
that npy would change. The size that a header declares is checked against the bytes that are there before anything is
allocated for it.
"""

from __future__ import annotations

import io
import math
from typing import Any, Final

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.libraries import library
from cachelayer.values.nodes import LIBRARIES, Reading, Writer, Writing, add_node, is_from

ARRAY: Final = 32
SCALAR: Final = 33

_KINDS: Final = frozenset("biufcmMSUV?")
#: Bytes that the header of an array may take: one field of a structure takes about 20.
_LONGEST_HEADER: Final = 65_536


def encode_array(array: Any) -> bytes:
    """Return an array, of numpy's own class, as npy; raises EncodingError for what that does not hold."""
    numpy = library("numpy", "numpy")
    _check(numpy, array.dtype)
    file = io.BytesIO()
    try:
        numpy.lib.format.write_array(file, array, allow_pickle=False)
    except ValueError as error:
        raise EncodingError(f"an array of {array.dtype} cannot be encoded: {error}") from None
    return file.getvalue()


def decode_array(data: bytes) -> Any:
    """Return an array of one's own; raises anything for what is no npy."""
    numpy = library("numpy", "numpy")
    npy, file = numpy.lib.format, io.BytesIO(data)
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file, max_header_size=_LONGEST_HEADER)
    start = file.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - start or min(shape, default=0) < 0:
        raise DecodingError("an array whose size is not what it says")
    array = numpy.ndarray(shape, dtype, bytearray(memoryview(data)[start:]), order="F" if fortran else "C")
    return array.copy(order="K")


def _check(numpy: Any, dtype: Any) -> None:
    """Refuse a dtype that would come back as another one."""
    if dtype.kind not in _KINDS or dtype.hasobject or dtype.metadata:
        raise EncodingError(f"numpy arrays of {dtype} have no safe encoding: convert them, or use pandas")
    npy = numpy.lib.format
    if npy.descr_to_dtype(npy.dtype_to_descr(dtype)) != dtype:
        raise EncodingError(f"numpy's npy format does not keep the dtype {dtype}: convert the array")


def _write_array(value: Any, depth: int, known: Writing | None) -> list[Any]:
    return [ARRAY, encode_array(value)]


def _write_scalar(value: Any, depth: int, known: Writing | None) -> list[Any]:
    numpy = library("numpy", "numpy")
    _check(numpy, value.dtype)
    if value.dtype.kind == "V":
        raise EncodingError("a numpy record has no safe encoding: use an array of them")
    # An empty text takes none, and gives some.
    return [SCALAR, value.dtype.str, value.tobytes()[: value.dtype.itemsize]]


def _read_scalar(parts: list[Any], known: Reading | None) -> Any:
    numpy = library("numpy", "numpy")
    name, data = parts
    dtype = numpy.dtype(str.__str__(name))
    if dtype.kind not in _KINDS or len(data) != dtype.itemsize:
        raise DecodingError("a number whose size is not what it says")
    return numpy.frombuffer(data, dtype)[0] if data else dtype.type()


def _find(kind: type) -> Writer | None:
    if is_from(kind, "numpy", "ndarray"):
        return _write_array
    # Exactly numpy's own: other libraries register scalars, too, and users derive from them.
    is_scalar = any(is_from(base, "numpy", "generic") for base in kind.__mro__)
    return _write_scalar if is_scalar and is_from(kind, "numpy", kind.__name__) else None


add_node(ARRAY, "npy", lambda parts, _: decode_array(parts[0]))
add_node(SCALAR, "npy scalar", _read_scalar)
LIBRARIES["numpy"] = _find
