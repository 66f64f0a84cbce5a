"""The benchmark that replays traces: it reads each format, counts hits as they are, and says what it cannot read."""

import gzip
import lzma
import struct
from pathlib import Path

import pytest

from tests.benchmarks import bench_policies
from tests.benchmarks.traces import TraceError, find_traces, read_trace

NUMBERS = [1, 2, 3_000_000_000, 2, 1]
LINES = "".join(f"{number}\n" for number in NUMBERS).encode()
INTEGERS = struct.pack(">5I", *NUMBERS)


@pytest.mark.parametrize("content", [LINES, INTEGERS], ids=["lines", "integers"])
@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, bytes], ids=["xz", "gzip", "plain"])
@pytest.mark.parametrize("name", ["a.trace", "a.trace.gz", "a.trace.xz"])
def test_a_trace_is_told_by_its_content(tmp_path: Path, content: bytes, pack, name: str):
    """Whatever its name is, a file is unpacked and read by what is in it, as far as is asked for."""
    path = tmp_path / name
    path.write_bytes(pack(content))
    assert find_traces(tmp_path) == [path]
    assert read_trace(path, 100) == [str(number) for number in NUMBERS]
    assert read_trace(path, 3) == ["1", "2", "3000000000"]


def test_a_long_trace_is_read_as_far_as_asked(tmp_path: Path):
    """More than what shows the format is read right too."""
    numbers = [*range(5_000)]
    (tmp_path / "a.trace").write_bytes(struct.pack(">5000I", *numbers))
    (tmp_path / "b.trace").write_text("\r\n".join(map(str, numbers)))
    for path in find_traces(tmp_path):
        assert read_trace(path, 4_000) == [str(number) for number in numbers[:4_000]]
        assert len(read_trace(path, 10_000)) == 5_000


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no trace!", id="neither numbers nor whole integers"),
        pytest.param(b"\xfd7zXZ\x00rubbish", id="damaged xz"),
        pytest.param(b"\x1f\x8b" + bytes(20), id="damaged gzip"),
        pytest.param(gzip.compress(LINES * 99)[:-20], id="cut off"),
    ],
)
def test_a_file_that_is_no_trace_is_named(tmp_path: Path, content: bytes):
    """The error says which file cannot be read."""
    path = tmp_path / "a.trace"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=r"a\.trace"):
        read_trace(path, 100)


def test_a_folder_without_traces_is_named(tmp_path: Path):
    """The error says what was looked for, and where; a folder that is not there is another one."""
    (tmp_path / "README.md").write_text("none here")
    with pytest.raises(TraceError, match=r"holds no trace: .*NAME\.trace"):
        find_traces(tmp_path)
    with pytest.raises(TraceError, match="is no folder"):
        find_traces(tmp_path / "elsewhere")


def test_without_a_folder_nothing_is_replayed(monkeypatch: pytest.MonkeyPatch):
    """It says how to ask for it."""
    monkeypatch.setattr(bench_policies, "FOLDER", "")
    with pytest.raises(pytest.skip.Exception, match="make bench TRACES=folder"):
        bench_policies.bench_policies()


def test_a_bad_folder_fails_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A wrong folder ends the benchmark with the error's words, not with a traceback."""
    monkeypatch.setattr(bench_policies, "FOLDER", str(tmp_path / "elsewhere"))
    with pytest.raises(pytest.fail.Exception, match="elsewhere is no folder"):
        bench_policies.bench_policies()


def test_a_replay_prints_rates_points_and_cost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A hundred keys asked for twice, with room for ten: LRU hits none, S3-FIFO the nine in its main queue."""
    (tmp_path / "loop.trace").write_text("\n".join(map(str, [*range(100)] * 2)))
    monkeypatch.setattr(bench_policies, "FOLDER", str(tmp_path))
    monkeypatch.setattr(bench_policies, "ROUNDS", 1)
    bench_policies.bench_policies()
    printed = capsys.readouterr().out
    assert "loop.trace: 200 requests, 100 keys" in printed
    assert "10.0%: 10" in printed
    assert "4.50 % +4.50 cost" in printed  # nine of two hundred
    assert "policy" in printed
    assert "wins" in printed
