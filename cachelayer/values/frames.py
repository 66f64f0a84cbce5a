"""pandas' frames, series and indexes, and pyarrow's tables, as Arrow IPC.

- Arrow keeps dtypes, zones, categories and the index. What it would lose is kept beside it, as a tree: columns of
  objects, the frequency of an index, columns that are numbered, a series' name, attributes.
- The first frame of each type is read back and compared; one that does not come back as it was is refused. A frame's
  type is its dtypes, its labels, and the types, names and dtypes of its indexes: two frames that have these in common
  differ in nothing but numbers, which Arrow keeps.
"""

from __future__ import annotations

from typing import Any, Final

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.kinds import type_of
from cachelayer.values.libraries import library
from cachelayer.values.nodes import LIBRARIES, Reading, Writer, Writing, add_node, is_from
from cachelayer.values.tree import all_up, down, up

TABLE, BATCH, FRAME, SERIES, INDEX = range(34, 39)

_COLUMN: Final = "0"
_MOST_PROVEN: Final = 1024

#: Types of frames that were seen to come back as they were.
_proven: set[Any] = set()


# -- pyarrow ------------------------------------------------------------------------------------------------------


def _to_ipc(table: Any) -> bytes:
    arrow = library("pyarrow", "arrow")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _from_ipc(data: bytes) -> Any:
    arrow = library("pyarrow", "arrow")
    _refuse_compressed(arrow, data)
    table = arrow.ipc.open_stream(data).read_all()
    table.validate(full=True)
    return table


def _refuse_compressed(arrow: Any, data: bytes) -> None:
    """Refuse buffers that Arrow would inflate: we write none, and nothing would bound what comes out of them."""
    stream = arrow.BufferReader(data)
    while True:
        try:
            message = arrow.ipc.read_message(stream)
        except EOFError:
            return
        if message.type != "schema" and _has_compression(message.metadata.to_pybytes(), message.type):
            raise DecodingError("compressed Arrow buffers")


def _has_compression(metadata: bytes, kind: str) -> bool:
    """Whether a message's record batch has the field `compression` (Arrow's Message.fbs; FlatBuffers' table layout)."""
    message = _offset(metadata, 0)
    batch = _field(metadata, message, 2)
    if batch is not None and kind == "dictionary":
        batch = _field(metadata, batch, 1)
    if batch is None:
        raise DecodingError("an Arrow message without its header")
    return _field(metadata, batch, 3) is not None


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return where the table that a field refers to begins, None where the field is absent."""
    layout = table - int.from_bytes(data[table : table + 4], "little", signed=True)
    place = layout + 4 + 2 * number
    if place + 2 > layout + int.from_bytes(data[layout : layout + 2], "little"):
        return None
    offset = int.from_bytes(data[place : place + 2], "little")
    return _offset(data, table + offset) if offset else None


def _offset(data: bytes, place: int) -> int:
    return place + int.from_bytes(data[place : place + 4], "little")


def _write_table(value: Any, depth: int, known: Writing | None) -> list[Any]:
    try:
        data = _to_ipc(value)
        same = _from_ipc(data).schema.equals(value.schema, check_metadata=True)
    # Types of others' own, which they register and implement, fail as they like.
    except Exception as error:  # noqa: BLE001
        raise EncodingError(f"a table cannot be encoded: {error}") from None
    if not same:
        raise EncodingError("a table with types of one's own would come back as another one")
    return [TABLE, data]


def _write_batch(value: Any, depth: int, known: Writing | None) -> list[Any]:
    arrow = library("pyarrow", "arrow")
    return [BATCH, *_write_table(arrow.Table.from_batches([value]), depth, known)[1:]]


def _read_batch(parts: list[Any], known: Reading | None) -> Any:
    arrow = library("pyarrow", "arrow")
    table = _from_ipc(parts[0]).combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else arrow.RecordBatch.from_pylist([], schema=table.schema)


# -- pandas -------------------------------------------------------------------------------------------------------


def _take_apart(frame: Any) -> list[Any]:
    """Return a frame as what Arrow keeps of it, and what it does not."""
    arrow = library("pyarrow", "pandas")
    columns, rows = _labels(frame.columns), _object_labels(frame.index)
    objects = {str(place): list(frame.iloc[:, place]) for place in _object_columns(frame)}
    plain = frame.copy(deep=False)
    plain.attrs = {}
    if rows is not None:
        plain.index = range(len(frame))
    if columns is not None:
        plain.columns = [str(place) for place in range(len(frame.columns))]
    for place in objects:
        plain.isetitem(int(place), 0)
    data = _to_ipc(arrow.Table.from_pandas(plain))
    return [data, objects, columns, rows, _frequencies(frame), dict(frame.attrs)]


def _put_together(parts: list[Any]) -> Any:
    data, objects, columns, rows, frequencies, attributes = parts
    pandas = library("pandas", "pandas")
    # A copy, for what Arrow gives without one is read-only.
    frame = _from_ipc(data).to_pandas().copy()
    if rows is not None:
        frame.index = _from_labels(pandas, rows)
    if columns is not None:
        frame.columns = _from_labels(pandas, columns)
    for place, values in objects.items():
        frame.isetitem(int(place), pandas.Series(values, index=frame.index, dtype=object))
    for index, frequency, now in zip(frame.axes, frequencies, _frequencies(frame), strict=True):
        if frequency != now:
            index.freq = frequency
    frame.attrs = attributes
    return frame


def _frequencies(frame: Any) -> list[str | None]:
    return [getattr(index, "freqstr", None) for index in frame.axes]


def _labels(index: Any) -> list[Any] | None:
    """Return the labels of columns as a tree takes them, None where Arrow keeps them."""
    pandas = library("pandas", "pandas")
    if isinstance(index, pandas.RangeIndex):
        return [index.name, "range", index.start, index.stop, index.step]
    return [index.name, str(index.dtype), *index.tolist()] if type(index) is pandas.Index else None


def _object_labels(index: Any) -> list[Any] | None:
    """The same for rows, of which Arrow keeps all but objects."""
    return _labels(index) if _is_object(index.dtype) else None


def _from_labels(pandas: Any, parts: list[Any]) -> Any:
    name, dtype, *labels = parts
    if dtype == "range":
        return pandas.RangeIndex(*labels, name=name)
    return pandas.Index(labels, dtype=dtype, name=name, tupleize_cols=False)


def _object_columns(frame: Any) -> list[int]:
    return [place for place, dtype in enumerate(frame.dtypes) if _is_object(dtype)]


def _is_object(dtype: Any) -> bool:
    # Categories may be objects, too; their dtype is of another kind.
    return bool(dtype.kind == "O") and dtype.name == "object"


def _write_frame(value: Any, depth: int, known: Writing | None) -> list[Any]:
    try:
        parts = _take_apart(value)
        kind = _kind(value)
        if kind not in _proven:
            _prove(value, parts)
            if len(_proven) < _MOST_PROVEN and not _is_open(value):
                _proven.add(kind)
    except EncodingError:
        raise
    # pandas' and Arrow's types may be anybody's, who implement them as they like.
    except Exception as error:  # noqa: BLE001
        raise EncodingError(f"a {type(value).__name__} cannot be encoded: {error}") from None
    return [FRAME, parts[0], *(down(part, depth, known) for part in parts[1:])]


def _kind(frame: Any) -> tuple[Any, ...]:
    labels = tuple(map(repr, frame.columns))
    indexes = _index_kind(frame.index), _index_kind(frame.columns)
    return indexes, labels, tuple(map(repr, frame.dtypes)), frame.flags.allows_duplicate_labels


def _is_open(frame: Any) -> bool:
    """Whether Arrow keeps objects of the frame, so that its type does not tell what they are."""
    dtypes = [dtype for dtype in frame.dtypes if not _is_object(dtype)]
    return "object" in repr((dtypes, _index_kind(frame.index)))


def _index_kind(index: Any) -> tuple[Any, ...]:
    levels = getattr(index, "levels", ())
    kinds = tuple(_index_kind(level) for level in levels)
    return type_of(index), repr(index.dtype), tuple(index.names), getattr(index, "freqstr", None), kinds


def _prove(frame: Any, parts: list[Any]) -> None:
    copy = _put_together(parts)
    same = (
        copy.equals(frame)
        and list(copy.dtypes) == list(frame.dtypes)
        and _is_same_index(copy.index, frame.index)
        and _is_same_index(copy.columns, frame.columns)
        and copy.flags == frame.flags
    )
    if not same:
        raise EncodingError(
            f"Arrow does not keep this {type(frame).__name__} as it is: simplify its index or dtypes"
        )


def _is_same_index(one: Any, other: Any) -> bool:
    same_frequency = getattr(one, "freqstr", None) == getattr(other, "freqstr", None)
    return type(one) is type(other) and one.identical(other) and same_frequency


def _read_frame(parts: list[Any], known: Reading | None) -> Any:
    return _put_together(all_up(parts, known))


def _write_series(value: Any, depth: int, known: Writing | None) -> list[Any]:
    frame = value.to_frame(name=_COLUMN)
    frame.attrs = value.attrs
    return [SERIES, down(value.name, depth, known), *_write_frame(frame, depth, known)[1:]]


def _read_series(parts: list[Any], known: Reading | None) -> Any:
    frame = _read_frame(parts[1:], known)
    series = frame[_COLUMN]
    series.name, series.attrs = up(parts[0], known), frame.attrs
    return series


def _write_index(value: Any, depth: int, known: Writing | None) -> list[Any]:
    frame = library("pandas", "pandas").DataFrame(index=value)
    return [INDEX, *_write_frame(frame, depth, known)[1:]]


_OWN: Final = {
    "DataFrame": _write_frame,
    "Series": _write_series,
    **dict.fromkeys(
        (
            "Index",
            "RangeIndex",
            "MultiIndex",
            "DatetimeIndex",
            "TimedeltaIndex",
            "PeriodIndex",
            "IntervalIndex",
            "CategoricalIndex",
        ),
        _write_index,
    ),
}


def _find_pandas(kind: type) -> Writer | None:
    return _OWN.get(kind.__name__) if is_from(kind, "pandas", kind.__name__) else None


def _find_arrow(kind: type) -> Writer | None:
    if is_from(kind, "pyarrow", "Table"):
        return _write_table
    return _write_batch if is_from(kind, "pyarrow", "RecordBatch") else None


add_node(TABLE, "Arrow table", lambda parts, _: _from_ipc(parts[0]))
add_node(BATCH, "Arrow batch", _read_batch)
add_node(FRAME, "frame", _read_frame)
add_node(SERIES, "series", _read_series)
add_node(INDEX, "index", lambda parts, known: _read_frame(parts, known).index)
LIBRARIES["pandas"] = _find_pandas
LIBRARIES["pyarrow"] = _find_arrow
