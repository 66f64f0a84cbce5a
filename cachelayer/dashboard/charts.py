"""Charts as inline SVG. Colours are the style sheet's, by class; words around them are HTML, and never shrink."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from cachelayer.dashboard.markup import Markup, tag

_WIDTH: Final = 600.0
_HEIGHT: Final = 160.0
_BOX: Final = f"0 0 {_WIDTH:g} {_HEIGHT:g}"


class Series(msgspec.Struct, frozen=True):
    """One line or layer: a name, the class that colours it, and a value for each moment, None where there is none."""

    name: str
    style: str
    values: Sequence[float | None]


class Moments(msgspec.Struct, frozen=True):
    """What stands along a chart: moments of equal length. The script tells the reader's own time of each.

    Attributes:
        start: of the first, in epoch seconds.
        step: seconds from one to the next.
        span: seconds that the chart shows.
        tips: what each says when pointed at.
    """

    start: float
    step: float
    span: float
    tips: Sequence[str]

    def of(self, *children: Markup, style: str, box: str) -> Markup:
        """Return a drawing of them."""
        return tag(
            "svg",
            *children,
            class_=style,
            viewBox=box,
            preserveAspectRatio="none",
            aria_hidden="true",
            data_start=_n(self.start),
            data_step=_n(self.step),
            data_span=_n(self.span),
        )


def stacked(series: Sequence[Series], moments: Moments, *, top: float) -> Markup:
    """Return bars, each a moment with the series on top of each other.

    Args:
        series: from the bottom up, of equal length.
        moments: along the chart.
        top: the value at the upper edge.
    """
    step = _WIDTH / max(1, len(moments.tips))
    bars: list[Markup] = []
    for place, tip in enumerate(moments.tips):
        parts = list(_pile(series, place, step, top))
        target = tag("rect", class_="target", x=_n(place * step), y=0, width=_n(step), height=_n(_HEIGHT))
        bars.append(tag("g", *parts, target, class_="moment", data_tip=tip))
    return moments.of(*_rules(4), *bars, style="plot", box=_BOX)


def lines(series: Sequence[Series], moments: Moments, *, low: float, high: float) -> Markup:
    """Return lines over a logarithmic scale from `low` to `high`, broken where there is no value."""
    step = _WIDTH / max(1, len(moments.tips))
    drawn = [
        tag(
            "path",
            d=_path(one.values, step, low, high),
            class_=f"line {one.style}",
            vector_effect="non-scaling-stroke",
        )
        for one in series
    ]
    targets = [
        tag(
            "g",
            tag("rect", class_="target", x=_n(place * step), y=0, width=_n(step), height=_n(_HEIGHT)),
            class_="moment",
            data_tip=tip,
        )
        for place, tip in enumerate(moments.tips)
    ]
    return moments.of(*_rules(round(math.log10(high / low))), *drawn, *targets, style="plot", box=_BOX)


def spark(values: Sequence[float | None], *, top: float = 1.0, style: str = "hit") -> Markup:
    """Return a line as high as a word, without axes; it says nothing that the figure beside it does not."""
    known = [value for value in values if value is not None]
    width, height = 80.0, 20.0
    if len(known) < 2:
        return tag("svg", class_="spark", viewBox=f"0 0 {width:g} {height:g}", aria_hidden="true")
    step = width / max(1, len(values) - 1)
    path = _broken(
        (place * step, None if value is None else height - 1 - value / (top or 1.0) * (height - 2))
        for place, value in enumerate(values)
    )
    line = tag("path", d=path, class_=f"line {style}", vector_effect="non-scaling-stroke")
    return tag(
        "svg",
        line,
        class_="spark",
        viewBox=f"0 0 {width:g} {height:g}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def shares(parts: Iterable[tuple[str, float]], tip: str) -> Markup:
    """Return one bar that is divided as `parts` (style, value) are."""
    given = [(style, value) for style, value in parts if value > 0]
    total, at = sum(value for _, value in given), 0.0
    drawn: list[Markup] = []
    for style, value in given:
        width = 100 * value / total
        drawn.append(tag("rect", x=_n(at), y=0, width=_n(width), height=8, class_=style))
        at += width
    return tag(
        "svg",
        *drawn,
        class_="shares",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        role="img",
        aria_label=tip,
        data_tip=tip,
    )


def strip(values: Sequence[float | None], moments: Moments) -> Markup:
    """Return a row of cells, each coloured by its share, empty where there is none."""
    step = 600 / max(1, len(values))
    cells = [
        tag(
            "rect",
            x=_n(place * step),
            y=0,
            width=_n(step * 0.92),
            height=16,
            class_=f"heat {heat_class(value)}",
            data_tip=tip,
        )
        for place, (value, tip) in enumerate(zip(values, moments.tips, strict=True))
    ]
    return moments.of(*cells, style="strip", box="0 0 600 16")


def curve(points: Sequence[tuple[float, float]], here: float) -> Markup:
    """Return a hit rate over the size that gives it, on a logarithmic scale, and mark the present size."""
    if len(points) < 2:
        return _plot()
    left, right = math.log(points[0][0]), math.log(points[-1][0])
    wide = (right - left) or 1.0

    def x(value: float) -> float:
        return (math.log(value) - left) / wide * _WIDTH

    path = _broken((x(at), _HEIGHT * (1 - rate)) for at, rate in points)
    mark = tag(
        "line",
        x1=_n(x(here)),
        x2=_n(x(here)),
        y1=0,
        y2=_n(_HEIGHT),
        class_="mark",
        vector_effect="non-scaling-stroke",
    )
    line = tag("path", d=path, class_="line hit", vector_effect="non-scaling-stroke")
    return _plot(*_rules(4), mark, line)


def heat_class(value: float | None) -> str:
    """Return the class of a share's colour: nine steps, and one for none."""
    return "h-none" if value is None else f"h{min(8, int(value * 9))}"


def nice_top(value: float) -> float:
    """Return a round number that is not below `value`, for the upper end of an axis."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * size >= value * 0.9999)


def _pile(series: Sequence[Series], place: int, step: float, top: float) -> Iterable[Markup]:
    at = _HEIGHT
    for one in series:
        height = (one.values[place] or 0.0) / (top or 1.0) * _HEIGHT
        if height > 0:
            at -= height
            yield tag(
                "rect",
                x=_n(place * step),
                y=_n(at),
                width=_n(step * 0.84),
                height=_n(height),
                class_=one.style,
            )


def _path(values: Sequence[float | None], step: float, low: float, high: float) -> str:
    wide = math.log(high / low) or 1.0

    def y(value: float) -> float:
        share = math.log(max(low, min(high, value)) / low) / wide
        return _HEIGHT - 2 - share * (_HEIGHT - 4)

    return _broken(
        ((place + 0.5) * step, None if value is None or value <= 0 else y(value))
        for place, value in enumerate(values)
    )


def _broken(points: Iterable[tuple[float, float | None]]) -> str:
    """Return the path through the points, with a gap where one has no height; a single one is a dot."""
    made: list[str] = []
    drawing = False
    for x, y in points:
        if y is not None:
            made.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}" + ("" if drawing else "h.1"))
        drawing = y is not None
    return "".join(made)


def _rules(parts: int) -> list[Markup]:
    """Return quiet horizontal lines that divide the height into equal parts."""
    heights = (_HEIGHT * place / parts for place in range(parts))
    return [
        tag(
            "line", x1=0, x2=_n(_WIDTH), y1=_n(y), y2=_n(y), class_="rule", vector_effect="non-scaling-stroke"
        )
        for y in heights
    ]


def _plot(*children: Markup) -> Markup:
    return tag(
        "svg",
        *children,
        class_="plot",
        viewBox=_BOX,
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
