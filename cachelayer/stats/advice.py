"""What to do about a route, in words, each with the figure that supports it: pure functions of its report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from cachelayer.stats.report import Advice, RouteReport, Split

#: Lookups below which there is nothing to say: figures of few are chance.
_ENOUGH: Final = 50
_SPLIT: Final = 0.1
_MOST_SPLITS: Final = 3
#: How many times longer reuse, or a change, takes than a lifetime that is worth a word; and the other way round.
_FAR: Final = 4.0
_COOKIES: Final = 0.1
_ERRORS: Final = 0.01
_MOST_EVICTED: Final = 0.2

#: Reasons that a request's cookies gave.
_OF_COOKIES: Final = ("COOKIE", "SESSION-COOKIE", "SET-COOKIE")


def advise(report: RouteReport, splits: Iterable[Split] = ()) -> list[Advice]:
    """Return what to do about a route, the most worthwhile first.

    Args:
        report: of a window in which there were enough requests to say something.
        splits: the parameters, headers and cookies that were sampled of it.
    """
    if report.requests < _ENOUGH:
        return []
    listed = list(splits)
    found = [advice for rule in _RULES for advice in rule(report, listed)]
    return sorted(found, key=lambda each: -each.figure)


def _splits(report: RouteReport, splits: Iterable[Split]) -> Iterator[Advice]:
    """Parameters and headers but for which a miss would have been a hit."""
    misses = report.outcomes.get("miss", 0)
    if misses < _ENOUGH // 2:
        return
    worst = [each for each in splits if each.kind in _WHERE and each.share >= _SPLIT]
    for split in worst[:_MOST_SPLITS]:
        name = f"`{split.name}`"
        yield Advice(
            route=report.route,
            kind="split",
            text=f"{name} causes {split.share:.0%} of misses: it has had about {split.distinct} values, and without it "
            f"those responses had been asked for before.",
            figure=split.share,
            setting=_WHERE[split.kind].format(name=split.name),
        )


_WHERE: Final = {
    "query": 'Rule(ignore_query=["{name}"])',
    "header": "leave {name} out of the response's Vary, or normalise it before the cache",
}


def _too_short(report: RouteReport, _: Iterable[Split]) -> Iterator[Advice]:
    """A lifetime that ends long before the value changes, or before anybody asks again."""
    ttl, reuse = report.reuse.ttl, report.reuse
    if not ttl:
        return
    miss_share = report.outcomes.get("miss", 0) / max(1, report.requests)
    if reuse.unchanged is not None and reuse.unchanged >= 0.8 and miss_share >= 0.05:
        yield Advice(
            route=report.route,
            kind="ttl_short",
            text=f"{reuse.unchanged:.0%} of the values computed anew were the same as before: a ttl of {_time(ttl)} is "
            f"far below the time in which they change.",
            figure=reuse.unchanged * miss_share,
            setting=f"ttl={_round(ttl * _FAR)}",
        )
    elif reuse.gap_p50 is not None and reuse.gap_p50 > ttl and miss_share >= 0.3:
        yield Advice(
            route=report.route,
            kind="ttl_short",
            text=f"Half of the keys are asked for again after {_time(reuse.gap_p50)} or more, and live for "
            f"{_time(ttl)}: they are gone by then.",
            figure=miss_share,
            setting=f"ttl={_round(2 * reuse.gap_p50)}",
        )


def _too_long(report: RouteReport, _: Iterable[Split]) -> Iterator[Advice]:
    """A lifetime far above the time in which values change."""
    ttl, change = report.reuse.ttl, report.reuse.change_p50
    if ttl and change and ttl > _FAR * change and (report.reuse.unchanged or 0.0) < 0.2:
        yield Advice(
            route=report.route,
            kind="ttl_long",
            text=f"Values change within {_time(change)}, half of them, and are served for {_time(ttl)}: "
            f"{ttl / change:.0f} times as long.",
            figure=min(1.0, 1 - change / ttl),
            setting=f"ttl={_round(change)}, or invalidate a tag when they change",
        )


def _errors(report: RouteReport, _: Iterable[Split]) -> Iterator[Advice]:
    """Errors that something stale might have answered."""
    asked = report.outcomes.get("miss", 0) + report.errors
    share = report.errors / asked if asked else 0.0
    if report.errors >= 5 and share >= _ERRORS and report.served and not report.outcomes.get("error_hit"):
        yield Advice(
            route=report.route,
            kind="stale_if_error",
            text=f"{share:.0%} of the calls failed, {report.errors} in all, and nothing stale was served instead.",
            figure=share,
            setting='stale_if_error="1h"',
        )


def _cookies(report: RouteReport, splits: Iterable[Split]) -> Iterator[Advice]:
    """Cookies that keep responses out of the cache."""
    count = sum(report.reasons.get(reason, 0) for reason in _OF_COOKIES)
    share = count / report.requests
    if share < _COOKIES:
        return
    names = [each.name for each in splits if each.kind == "cookie"][:3]
    of_whom = f", most often {', '.join(f'`{name}`' for name in names)}" if names else ""
    sets = report.reasons.get("SET-COOKIE", 0) > count / 2
    yield Advice(
        route=report.route,
        kind="cookies",
        text=f"Cookies keep {share:.0%} of the requests from the cache{of_whom}: "
        + (
            "the responses set them."
            if sets
            else "they are no part of the key, and not known to be harmless."
        ),
        figure=share,
        setting="set no cookie here, or store_set_cookie=True where it is the same for everybody"
        if sets
        else f"ignore_cookies=[{', '.join(map(repr, names)) or '...'}], if the response does not depend on them",
    )


def _evictions(report: RouteReport, _: Iterable[Split]) -> Iterator[Advice]:
    """Entries that go before anybody asked again."""
    if not report.evictions or not report.stores:
        return
    share = min(1.0, report.evictions / report.stores)
    if share < _MOST_EVICTED:
        return
    size = report.bytes_stored / report.stores
    yield Advice(
        route=report.route,
        kind="evictions",
        text=f"{share:.0%} of what is stored is evicted before it expires; an entry takes {_size(size)} on average.",
        figure=share,
        setting="a larger max_size_bytes, or min_uses=2 to store only what is asked for again",
    )


_RULES: Final[tuple[Callable[[RouteReport, Iterable[Split]], Iterator[Advice]], ...]] = (
    _splits,
    _too_short,
    _too_long,
    _errors,
    _cookies,
    _evictions,
)


def _time(seconds: float) -> str:
    for size, unit in ((86_400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _size(size: float) -> str:
    for step, unit in ((2**20, "MiB"), (2**10, "KiB")):
        if size >= step:
            return f"{size / step:.3g} {unit}"
    return f"{size:.0f} bytes"


def _round(seconds: float) -> str:
    """Return a lifetime as one would write it."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f'"{max(1, round(seconds / size))}{unit}"'
    return f"{max(1, round(seconds))}"
