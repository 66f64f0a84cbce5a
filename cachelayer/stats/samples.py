"""A closer look at some of a route's lookups: which keys, what splits the cache, how old, how often again.

A few lookups of each route are sampled, so everything here is an estimate, in bounded space. Keys and URLs are here
and nowhere else in the statistics; of query parameters, headers and cookies the names are kept, and never a value.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote_plus

import msgspec

from cachelayer.counters import bucket_of
from cachelayer.forks import ProcessLock
from cachelayer.outcomes import Outcome
from cachelayer.stats.report import Example

_MOST_KEYS: Final = 32
_LONGEST_KEY: Final = 300
_MOST_EXAMPLES: Final = 20
_MOST_SEEN: Final = 64
_MOST_NAMES: Final = 40
_LONGEST_NAME: Final = 60
_MOST_REMAINDERS: Final = 300
_MOST_PARAMETERS: Final = 12
#: Bits in which the values of one name are counted.
_BITS: Final = 1024

_lock = ProcessLock()


class Varied(msgspec.Struct):
    """What is known of one query parameter, header or cookie.

    Attributes:
        seen: sampled misses that had it.
        avoidable: those of them that had been asked for before, but for its value.
        bits: a bit for each value, by its hash: so many values can be counted, and none is kept.
    """

    seen: int = 0
    avoidable: int = 0
    bits: int = 0


#: (kind, name): "query", "header" or "cookie".
Name = tuple[str, str]


class Samples:
    """What the samples of one route show."""

    def __init__(self, route: str) -> None:
        self.route = route
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with _lock:
            self.lookups = self.misses = 0
            self.keys: dict[str, int] = {}
            self.examples: deque[Example] = deque(maxlen=_MOST_EXAMPLES)
            self.varied: dict[Name, Varied] = {}
            self._remainders: OrderedDict[int, None] = OrderedDict()
            self._seen: OrderedDict[int, float] = OrderedDict()
            self._ages: Tally[int] = Tally()
            self._gaps: Tally[int] = Tally()
            self._changes: Tally[int] = Tally()
            self._unchanged = 0

    def counts(self) -> tuple[dict[int, int], dict[int, int], dict[int, int], int]:
        """Return the histograms of ages, of gaps, and of the ages at which values had changed; and how many had not."""
        with _lock:
            return dict(self._ages), dict(self._gaps), dict(self._changes), self._unchanged

    def note(
        self,
        outcome: Outcome,
        weight: int,
        *,
        key: str = "",
        at: float | None = None,
        seconds: float = 0.0,
        reason: str = "",
        cache_status: str = "",
        age: float | None = None,
        headers: Mapping[str, str] | None = None,
        cookies: Iterable[str] = (),
    ) -> None:
        """Take note of one lookup.

        Args:
            outcome: how it ended.
            weight: how many lookups it stands for.
            key: the URL, query included, or a function's key.
            at: when, in epoch seconds; None is now.
            seconds: what serving took, or the origin.
            reason: why nothing was stored.
            cache_status: the header as it was sent.
            age: seconds since what was served was computed.
            headers: of the request's fields those that select the variant (Vary), for a miss. Values are hashed.
            cookies: the names of the request's cookies that are no part of the key, where they kept it from the cache.
        """
        now = time.time() if at is None else at
        key = key[:_LONGEST_KEY]
        example = Example(
            at=now,
            outcome=outcome.value,
            key=key,
            seconds=seconds,
            reason=reason,
            cache_status=cache_status,
            age=age,
        )
        with _lock:
            self.lookups += weight
            self.examples.append(example)
            if age is not None:
                self._ages[bucket_of(age)] += 1
            if key:
                self._note_key(key, weight)
                self._note_time(key, now, weight)
            if outcome is Outcome.MISS:
                self.misses += 1
                if "://" in key:  # a URL, and no function's key
                    self._note_parts(key, headers or {})
            for name in cookies:
                self._of("cookie", name).seen += 1

    def read(self) -> tuple[int, int, dict[str, int], dict[Name, Varied], list[Example]]:
        """Return lookups, sampled misses, keys with counts, what varies, and examples, the earliest first."""
        with _lock:
            varied = {name: msgspec.structs.replace(each) for name, each in self.varied.items()}
            return self.lookups, self.misses, dict(self.keys), varied, list(self.examples)

    def note_change(self, age: float, *, changed: bool) -> None:
        """Take note of a value that was computed anew: how old the one before was, and whether it differs."""
        with _lock:
            if changed:
                self._changes[bucket_of(age)] += 1
            else:
                self._unchanged += 1

    # -- inside -----------------------------------------------------------------------------------------------

    def _note_key(self, key: str, weight: int) -> None:
        """Count a key among the most frequent (Metwally and others, "space saving", 2005)."""
        if key in self.keys:
            self.keys[key] += weight
        elif len(self.keys) < _MOST_KEYS:
            self.keys[key] = weight
        else:
            least = min(self.keys, key=self.keys.__getitem__)
            self.keys[key] = self.keys.pop(least) + weight

    def _note_time(self, key: str, now: float, weight: int) -> None:
        """Note how long ago the key was asked for."""
        # Of lookups that come as they please, the gaps between every 64th are 64 times those between all.
        place = hash(key)
        before = self._seen.pop(place, None)
        if before is not None and now > before:
            self._gaps[bucket_of((now - before) / weight)] += 1
        self._seen[place] = now
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)

    def _note_parts(self, key: str, headers: Mapping[str, str]) -> None:
        """Note which part of a miss's key may be what split it from an earlier one."""
        base, _, query = key.partition("?")
        parts = [("query", name, value) for name, value in _pairs(query)]
        parts += [("header", name, value) for name, value in headers.items()]
        del parts[_MOST_PARAMETERS:]
        hashes = [hash(part) for part in parts]
        whole = hash(base) + sum(hashes)  # whatever the order
        for (kind, name, value), hashed in zip(parts, hashes, strict=True):
            varied = self._of(kind, name)
            varied.seen += 1
            varied.bits |= 1 << (hash(value) % _BITS)
            if self._is_known(whole - hashed + hash((kind, name))):
                varied.avoidable += 1

    def _is_known(self, remainder: int) -> bool:
        remainders = self._remainders
        if remainder in remainders:
            remainders.move_to_end(remainder)
            return True
        remainders[remainder] = None
        if len(remainders) > _MOST_REMAINDERS:
            remainders.popitem(last=False)
        return False

    def _of(self, kind: str, name: str) -> Varied:
        name = name[:_LONGEST_NAME]
        found = self.varied.get((kind, name))
        if found is None:
            if len(self.varied) >= _MOST_NAMES:
                # What a client makes up shall not keep out what comes again and again.
                del self.varied[min(self.varied, key=lambda each: self.varied[each].seen)]
            found = self.varied[kind, name] = Varied()
        return found


def _pairs(query: str) -> list[tuple[str, str]]:
    """Return names and values of a query; names without their encoding."""
    pairs = [item.partition("=") for item in query.split("&") if item]
    if "%" in query or "+" in query:
        return [(unquote_plus(name), value) for name, _, value in pairs]
    return [(name, value) for name, _, value in pairs]
