"""What workers write into the store that they share: see `sharing` for who writes what, and when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from cachelayer.stats import histograms
from cachelayer.stats.histograms import Histogram
from cachelayer.stats.report import AuditEntry, BackendReport, Example, KeyCount
from cachelayer.stats.snapshots import RouteStats, is_empty, total_of

T = TypeVar("T")

#: Seconds of the steps that history is kept in, the finest first.
MINUTE: Final = 60
TEN_MINUTES: Final = 600
HOUR: Final = 3600

_MOST_LABELS: Final = 501
_OTHER: Final = "<other>"
_MOST_TAGS: Final = 100
_MOST_AUDITED: Final = 200


class Resolution(msgspec.Struct, frozen=True):
    """One of the three: how fine, how many steps stand on one page, and how long that is kept.

    Attributes:
        step: seconds.
        page: seconds of all steps on a page.
        kept: seconds.
    """

    step: int
    page: int
    kept: int

    def page_of(self, time: float) -> int:
        """Return when the page begins on which a time stands."""
        return math.floor(time / self.page) * self.page

    def step_of(self, time: float) -> int:
        """Return when the step begins in which a time is."""
        return math.floor(time / self.step) * self.step


#: A page of minutes is one step of ten minutes: its sum.
MINUTES: Final = Resolution(MINUTE, TEN_MINUTES, 86_400)
TENS: Final = Resolution(TEN_MINUTES, 2 * HOUR, 7 * 86_400)
HOURS: Final = Resolution(HOUR, 12 * HOUR, 31 * 86_400)


class Counts(msgspec.Struct, omit_defaults=True):
    """What was counted in some time: only labels with any count at all.

    Attributes:
        routes, functions: by label.
        operations: of the store, by "operation:status".
        invalidations: by kind.
        errors: operations of the store that failed.
    """

    routes: dict[str, RouteStats] = {}
    functions: dict[str, RouteStats] = {}
    operations: dict[str, Histogram] = {}
    invalidations: dict[str, int] = {}
    errors: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.routes or self.functions or self.operations or self.invalidations or self.errors)

    def add(self, other: Counts) -> None:
        """Add `other` to this."""
        _add_routes(self.routes, other.routes)
        _add_routes(self.functions, other.functions)
        for name, more in other.operations.items():
            had = self.operations.get(name)
            self.operations[name] = more if had is None else _added(had, more)
        for kind, count in other.invalidations.items():
            self.invalidations[kind] = self.invalidations.get(kind, 0) + count
        self.errors += other.errors

    @classmethod
    def sum(cls, parts: Iterable[Counts]) -> Counts:
        """Return all of them together."""
        total = cls()
        for part in parts:
            total.add(part)
        return total


class TagCount(msgspec.Struct, omit_defaults=True):
    """How often a tag was invalidated."""

    invalidations: int = 0
    last: float = 0.0
    entries: int = 0


class Noted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A purge, and under which number the other workers were told: 0 where they need not be, None if not yet."""

    entry: AuditEntry
    number: int | None = None


class Events(msgspec.Struct, omit_defaults=True):
    """What happened beside lookups.

    Attributes:
        audit: purges and invalidations, the earliest first.
        tags: those invalidated.
        purged: when a label was purged last; "" is the whole cache.
    """

    audit: list[Noted] = []
    tags: dict[str, TagCount] = {}
    purged: dict[str, float] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.audit or self.tags or self.purged)

    def number(self, number: int) -> None:
        """Note under which number the other workers were told of what happened."""
        self.audit = [
            each if each.number is not None else msgspec.structs.replace(each, number=number)
            for each in self.audit
        ]

    def add(self, other: Events) -> None:
        """Add `other` to this; the bounds are kept by forgetting the earliest."""
        self.audit = sorted((*self.audit, *other.audit), key=lambda each: each.entry.at)[-_MOST_AUDITED:]
        for tag, more in other.tags.items():
            had = self.tags.setdefault(tag, TagCount())
            had.invalidations += more.invalidations
            had.entries += more.entries
            had.last = max(had.last, more.last)
        for label, at in other.purged.items():
            self.purged[label] = max(at, self.purged.get(label, 0.0))
        self.tags = _latest(self.tags, _MOST_TAGS, {tag: each.last for tag, each in self.tags.items()})
        self.purged = _latest(self.purged, _MOST_LABELS, self.purged)


class Batch(msgspec.Struct, omit_defaults=True):
    """What one worker counted between two flushes, or since it was last told that it has been taken over.

    Attributes:
        number: of this worker's batches, from 1.
        minute: the step it belongs to: when that begins.
        counts: what was counted.
        events: what happened.
    """

    number: int
    minute: int
    counts: Counts
    events: Events


class Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored now for one label: entries, their bytes, and how many URLs they are for; 0 where unknown."""

    entries: int = 0
    size: int = 0
    urls: int = 0


class VariedCount(msgspec.Struct, frozen=True, omit_defaults=True):
    """What samples show of one query parameter, header or cookie."""

    kind: str
    name: str
    seen: int
    avoidable: int
    bits: bytes


class SampledRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one worker's samples of a route show."""

    lookups: int
    misses: int
    keys: list[KeyCount] = []
    varied: list[VariedCount] = []
    examples: list[Example] = []


class Present(msgspec.Struct, omit_defaults=True):
    """How things are in one worker now.

    Attributes:
        requests: lookups since it began.
        errors: operations of the store that failed since it began.
        backends: its stores.
        routes, functions: what is stored, by label; empty where the store cannot tell.
        samples: by label.
        curve: lookups that were sampled, and by scale those that would have been hits.
        measured: when `routes` and `functions` were looked through.
        inflight: computations under way.
    """

    requests: int = 0
    errors: int = 0
    backends: list[BackendReport] = []
    routes: dict[str, Stored] = {}
    functions: dict[str, Stored] = {}
    samples: dict[str, SampledRoute] = {}
    curve: dict[str, int] = {}
    measured: float = 0.0
    inflight: int = 0


class WorkerPage(msgspec.Struct, omit_defaults=True):
    """A worker's own page: what it has counted that is not taken over yet, and how things are in it.

    Attributes:
        id, host, pid, started, seen: see `report.Worker`.
        batches: the earliest first.
        present: how things are.
        heard: the number of the last announcement that it has followed.
        ended: whether this is its last word.
    """

    id: str
    host: str
    pid: int
    started: float
    seen: float
    batches: list[Batch] = []
    present: Present = msgspec.field(default_factory=Present)
    heard: int = 0
    ended: bool = False


class Head(msgspec.Struct, omit_defaults=True):
    """Where everything begins.

    Attributes:
        since: when the statistics began.
        workers: who counts: the number of each one's last batch that was taken over.
        gone: the same for those who fell silent, should they speak again; with when they did.
        absent: those who have no page, and since when.
        taken_over: when that was done last.
        rolled: the ten minutes before this are rolled up.
    """

    since: float
    workers: dict[str, int] = {}
    gone: dict[str, tuple[int, float]] = {}
    absent: dict[str, float] = {}
    taken_over: float = 0.0
    rolled: int = 0


class Page(msgspec.Struct, omit_defaults=True):
    """Some steps of history.

    Attributes:
        steps: by when they begin.
        taken: the number of each worker's last batch that is in here.
    """

    steps: dict[int, Counts] = {}
    taken: dict[str, int] = {}


class Totals(msgspec.Struct, omit_defaults=True):
    """Everything since the beginning.

    Attributes:
        counts: the sums.
        events: what happened, as much of it as is kept.
        taken: as in `Page`.
    """

    counts: Counts = msgspec.field(default_factory=Counts)
    events: Events = msgspec.field(default_factory=Events)
    taken: dict[str, int] = {}


class Announcement(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that every worker with a memory of its own has to do.

    Attributes:
        number: from 1, of all announcements.
        worker: who announced it, and has done it.
        what: which action.
        names: of what: keys, tags as the store knows them, or what the action takes.
        soft: whether entries become stale rather than gone.
    """

    number: int
    worker: str
    what: str
    names: list[str] = []
    soft: bool = False


class Announcements(msgspec.Struct, omit_defaults=True):
    """The latest announcements, the earliest first."""

    last: int = 0
    kept: list[Announcement] = []


def _add_routes(sums: dict[str, RouteStats], more: Mapping[str, RouteStats]) -> None:
    for label, stats in more.items():
        if is_empty(stats):
            continue
        # Each worker keeps to the bound by itself, and each may have met others.
        name = label if label in sums or len(sums) < _MOST_LABELS - 1 else _OTHER
        had = sums.get(name)
        sums[name] = total_of((stats,) if had is None else (had, stats), name)


def _added(one: Histogram, other: Histogram) -> Histogram:
    return Histogram(histograms.add(one.buckets, other.buckets), one.sum + other.sum)


def _latest(items: dict[str, T], most: int, when: Mapping[str, float]) -> dict[str, T]:
    if len(items) <= most:
        return items
    return {name: items[name] for name in sorted(items, key=when.__getitem__)[-most:]}
