"""pandas' frames and pyarrow's tables: functions.md 20 and 21."""

import datetime as dt
import decimal
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values import frames
from cachelayer.values.tree import decode_tree, encode_tree

DAYS = pd.date_range("2025-01-01", periods=2)
OBJECTS = pd.Series([1, "x", None, 1.5, True, decimal.Decimal("1.10"), (1, [2])], dtype=object)


def with_attributes():
    """Return a frame that has some."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"source": ("x", 1)}
    return frame


FRAMES = {
    "plain": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, np.nan]}),
    "days": pd.DataFrame({"a": [1.0, 2.0]}, index=DAYS),
    "days with a zone": pd.DataFrame(
        {"a": DAYS.tz_localize("Europe/Paris")}, index=DAYS.tz_localize("Asia/Tokyo")
    ),
    "weeks": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2025-01-01", periods=2, freq="W-WED")),
    "categories": pd.DataFrame({"a": pd.Categorical(["x", "y"], categories=["y", "x", "z"], ordered=True)}),
    "numbered categories": pd.DataFrame({"a": pd.Categorical([1, 2, 1])}),
    "levels": pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["n", None])
    ),
    "levels of columns": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")])),
    "numbered columns": pd.DataFrame(np.zeros((2, 3))),
    "ints as columns": pd.DataFrame({5: [1], 3: [2]}),
    "mixed columns": pd.DataFrame({5: [1], "x": [2]}),
    "columns of one name": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "days as columns": pd.DataFrame([[1, 2]], columns=DAYS),
    "name of the columns": pd.DataFrame({"a": [1]}).rename_axis(columns="name"),
    "every other row": pd.DataFrame({"a": [1, 2, 3]})[::2],
    "periods": pd.DataFrame({"a": [1, 2, 3]}, index=pd.period_range("2025-01", periods=3, freq="M")),
    "intervals": pd.DataFrame({"a": pd.interval_range(0, 3)}),
    "nullable": pd.DataFrame(
        {"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}
    ),
    "nullable text": pd.DataFrame({"a": pd.array(["x", None], dtype="string")}),
    "of Arrow": pd.DataFrame({"a": pd.array([1, None], dtype="int64[pyarrow]")}),
    "spans": pd.DataFrame({"a": pd.to_timedelta([1, 2], unit="s")}),
    "small": pd.DataFrame({"a": np.array([1], dtype="i1"), "b": np.array([1], dtype="f4")}),
    "objects": pd.DataFrame({"a": OBJECTS}),
    "texts as objects": pd.DataFrame({"a": pd.Series(["x", None], dtype=object), "b": [1, 2]}),
    "dates": pd.DataFrame({"a": pd.Series([dt.date(2025, 1, 1), None], dtype=object)}),
    "rows named by objects": pd.DataFrame({"a": [1, 2]}, index=pd.Index([1, "x"], dtype=object, name="i")),
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame(columns=["a", "b"]),
    "attributes": with_attributes(),
    "grouped": pd.DataFrame({"k": ["a", "b", "a"], "v": [1, 2, 3]}).groupby("k").agg({"v": ["sum", "mean"]}),
}


@pytest.fixture(autouse=True)
def _nothing_proven(monkeypatch):
    monkeypatch.setattr(frames, "_proven", set())


def assert_same(copy, frame):
    """Compare frames by everything that can be told apart."""
    assert type(copy) is type(frame)
    assert_frame_equal(copy, frame, check_freq=True, check_flags=True, check_column_type=True, rtol=0, atol=0)
    assert copy.index.identical(frame.index)
    assert copy.columns.identical(frame.columns)
    assert copy.attrs == frame.attrs
    for name in range(len(frame.columns)):
        if frame.dtypes.iloc[name].name == "object":
            assert [type(item) for item in copy.iloc[:, name]] == [type(item) for item in frame.iloc[:, name]]


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_comes_back_as_it_was(frame):
    """20: index, dtypes, zones, categories, labels, attributes; the first of its type as well as the next."""
    before = frame.copy()
    for _ in range(2):
        assert_same(decode_tree(encode_tree(frame)), frame)
    assert_same(frame, before)


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=3), st.booleans())),
)
def test_any_plain_frame_comes_back_as_it_was(rows):
    """20: whatever numbers and texts it holds."""
    frame = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
    assert_same(decode_tree(encode_tree(frame)), frame)


SERIES = {
    "plain": pd.Series([1, 2], name="n"),
    "days": pd.Series([1.0, 2.0], index=DAYS, name=("a", 1)),
    "texts": pd.Series(["a", None]),
    "objects": OBJECTS,
    "counts": pd.Series(["a", "b", "a"]).value_counts(),
}


@pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)
def test_a_series_comes_back_as_it_was(series):
    """20: with its name, of whatever type that is."""
    copy = decode_tree(encode_tree(series))
    assert_series_equal(copy, series, check_freq=True, rtol=0, atol=0)
    assert (copy.name, type(copy.name)) == (series.name, type(series.name))
    assert copy.index.identical(series.index)


INDEXES = [
    pd.Index([1, 2], name="x"),
    pd.RangeIndex(1, 7, 2),
    DAYS.tz_localize("UTC"),
    pd.Index(["x", "y"], dtype=object),
    pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
    pd.CategoricalIndex(["x", "y"]),
]


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: f"{type(index).__name__} of {index.dtype}")
def test_an_index_comes_back_as_it_was(index):
    """20: an index by itself."""
    copy = decode_tree(encode_tree(index))
    assert_index_equal(copy, index, exact=True)
    assert copy.identical(index)


TABLES = {
    "plain": pa.table({"a": [1, None], "b": ["x", "y"]}),
    "nested": pa.table({"a": [[1], [2, 3]], "b": [{"x": 1}, {"x": None}]}),
    "dictionary": pa.table({"a": pa.array(["x", "y"]).dictionary_encode()}).replace_schema_metadata(
        {"k": "v"}
    ),
    "empty": pa.table({"a": pa.array([], pa.int8())}),
    "batch": pa.RecordBatch.from_pydict({"a": [1, 2]}),
    "empty batch": pa.RecordBatch.from_pydict({"a": pa.array([], pa.int8())}),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_comes_back_as_it_was(table):
    """20: schema and metadata, too."""
    copy = decode_tree(encode_tree([table]))[0]
    assert type(copy) is type(table)
    assert copy.equals(table)
    assert copy.schema.equals(table.schema, check_metadata=True)


def test_a_decoded_frame_is_ones_own():
    """19: it can be written to, and nobody else sees it."""
    data = encode_tree(pd.DataFrame({"a": [1.0, 2.0]}))
    copy = decode_tree(data)
    copy.loc[0, "a"] = 9.0
    copy["a"].to_numpy(copy=True)[0] = 9.0
    assert decode_tree(data).loc[0, "a"] == 1.0


REFUSED = {
    "sparse": pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1])}),
    "objects of one's own": pd.DataFrame({"a": [object()]}),
    "a class of one's own": type("Own", (pd.DataFrame,), {})({"a": [1]}),
    "flags": pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
}


@pytest.mark.parametrize("frame", REFUSED.values(), ids=REFUSED)
def test_what_would_come_back_otherwise_is_refused(frame):
    """20: EncodingError rather than another frame."""
    with pytest.raises(EncodingError):
        encode_tree(frame)


def test_each_type_of_frames_is_read_back_once(monkeypatch):
    """20: the first frame of a type is checked, the next ones of it are not, another type is."""
    checked = []
    prove = frames._prove
    monkeypatch.setattr(frames, "_prove", lambda *args: (checked.append(1), prove(*args)))
    for value in (1, 2):
        encode_tree(pd.DataFrame({"a": [value]}))
    assert len(checked) == 1
    encode_tree(pd.DataFrame({"a": [1.5]}))
    encode_tree(pd.DataFrame({"b": [1]}))
    encode_tree(pd.DataFrame({"a": [1]}, index=DAYS[:1]))
    assert len(checked) == 4


def test_compressed_buffers_are_refused():
    """Security: Arrow would inflate them without a bound, and we write none."""
    for table in (TABLES["plain"], TABLES["dictionary"]):
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write(table)
        plain, packed = encode_tree(table), sink.getvalue().to_pybytes()
        assert decode_tree(plain).equals(table)
        with pytest.raises(DecodingError, match="compressed"):
            frames._from_ipc(packed)


def test_without_arrow_a_frame_is_a_miss(monkeypatch):
    """21: a process that does not have what an entry needs computes the value by itself."""
    frame = pd.DataFrame({"a": [1]})
    data = encode_tree(frame)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DecodingError, match=r"pip install 'cachelayer\["):
        decode_tree(data)
    with pytest.raises(EncodingError, match=r"pip install 'cachelayer\[pandas\]'"):
        encode_tree(frame)
