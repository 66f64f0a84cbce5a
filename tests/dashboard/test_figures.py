"""Figures as people read them, and charts as SVG."""

import re

import pytest

from cachelayer.dashboard import figures
from cachelayer.dashboard.charts import Moments, Series, curve, lines, nice_top, shares, spark, stacked, strip

NOTHING, MINUS = figures.NOTHING, "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, NOTHING), (0, "0"), (7, "7"), (99_999, "99,999"), (100_000, "100 k"), (153_400, "153 k"),
        (1_490_000, "1.49 M"),
        (27_000_000_000, "27 bn"),
    ],
)  # fmt: skip
def test_counts(value: float | None, shown: str):
    """Whole as long as that is short."""
    assert figures.count(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (None, NOTHING), (float("nan"), NOTHING), (0.0, "0.0 %"), (0.0001, "< 0.1 %"),
        (0.782, "78.2 %"), (0.99999, "> 99.9 %"),
        (1.0, "100 %"),
    ],
)  # fmt: skip
def test_shares(share: float | None, shown: str):
    """What is not quite all, or nothing, never looks as if it were."""
    assert figures.percent(share) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, NOTHING), (float("inf"), NOTHING), (0, "0 s"), (2e-9, "0.00 µs"),
        (0.000164, "164 µs"), (0.0374, "37.4 ms"),
        (1.0, "1 s"), (5.52, "5.52 s"), (300, "5 min"), (4_740, "1.32 h"), (86_400, "1 d"), (8_640_000, "100 d"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, shown: str):
    """Three digits, and the unit that suits them."""
    assert figures.seconds(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, NOTHING),
        (0.0, "0 s"),
        (0.000164, "160 µs"),
        (5.23, "5.2 s"),
        (0.0148, "15 ms"),
        (95.0, "1.6 min"),
        (4_740, "1.3 h"),
        (80_000.0, "22 h"),
        (86_400.0, "1 d"),
        (0.9996, "1 s"),
        (2e-7, "0.2 µs"),
    ],
)
def test_what_a_histogram_says(seconds: float | None, shown: str):
    """It is right within a tenth: two digits of it count."""
    assert figures.roughly(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(None, NOTHING), (0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (18_400, "18.4 kB"),
     (9.28e9, "9.28 GB"), (3e12, "3 TB")],
)  # fmt: skip
def test_sizes(size: float | None, shown: str):
    """In powers of a thousand."""
    assert figures.size(size) == shown


def test_changes_are_signed():
    """With a minus that is one, and nothing where there is nothing to compare with."""
    assert [figures.points(change) for change in (0.0161, -0.02, 0.0, None)] == [
        "+1.6 pp",
        MINUS + "2.0 pp",
        "±0.0 pp",
        "",
    ]
    assert [figures.relative(change) for change in (0.083, -0.5, 12.0, None)] == [
        "+8.3 %",
        MINUS + "50.0 %",
        "+1,200 %",
        "",
    ]


@pytest.mark.parametrize(
    ("span", "shown"),
    [(3600, "14:25"), (86_400, "14:25"), (7 * 86_400, "Sun 14:25"), (30 * 86_400, "22 Nov")],
)
def test_times_fit_their_axis(span: float, shown: str):
    """The longer it is, the coarser."""
    assert figures.tick_time(1_795_357_500.0, span) == shown


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.2, 1.5), (27_000, 30_000), (99, 100), (100, 100), (0.012, 0.015)]
)
def test_axes_end_at_round_numbers(value: float, top: float):
    """At one that is not below the largest value."""
    assert nice_top(value) == pytest.approx(top)


def heights(svg: str, style: str) -> list[float]:
    """Return the heights of the bars of one class."""
    return [float(found) for found in re.findall(rf'height="([\d.]+)" class="{style}"', svg)]


def along(tips: str) -> Moments:
    """Return moments, a minute each."""
    return Moments(start=1_795_357_500.0, step=60.0, span=3600.0, tips=list(tips))


def test_a_chart_says_when_its_moments_are():
    """So that the page can tell the reader's own time of each."""
    svg = stacked([Series("a", "hit", [1, 1])], along("xy"), top=1)
    assert 'data-start="1795357500" data-step="60" data-span="3600"' in svg
    assert re.findall(r'data-tip="(\w)"', svg) == ["x", "y"]


def test_bars_are_as_high_as_their_values():
    """And stand on each other; a value of nothing is no bar."""
    svg = stacked([Series("a", "hit", [10, 0]), Series("b", "miss", [5, 20])], along("xy"), top=20)
    assert heights(svg, "hit") == [80]
    assert heights(svg, "miss") == [40, 160]
    assert 'y="40"' in svg


def test_lines_break_where_nothing_was_measured():
    """Nothing is no value of zero; outliers stay within the frame."""
    svg = lines([Series("a", "hit", [0.001, None, 0.1, 1000.0])], along("abcd"), low=0.001, high=1.0)
    path = re.search(r' d="([^"]+)"', svg)
    assert path is not None
    assert path[1].count("M") == 2
    ys = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path[1])]
    assert ys[0] == 158
    assert ys[-1] == 2


def test_charts_of_next_to_nothing():
    """One value makes no line, no value no bar, no points no curve; none of them fails."""
    assert "path" not in spark([0.5])
    assert "path" not in spark([None, None])
    assert "rect" not in shares([("hit", 0.0)], "nothing")
    assert strip([], along("")).count("<rect") == 0
    assert "path" not in curve([(1.0, 0.5)], 1.0)
    assert stacked([], along(""), top=0).startswith("<svg")
    assert "path" in lines([Series("a", "hit", [0.1])], along("x"), low=0.1, high=0.1)


def test_a_bar_is_divided_as_its_parts_are():
    """Shares of the whole width."""
    svg = shares([("hit", 3), ("miss", 1)], "tip")
    assert re.findall(r'width="([\d.]+)" height="8" class="(\w+)"', svg) == [("75", "hit"), ("25", "miss")]
