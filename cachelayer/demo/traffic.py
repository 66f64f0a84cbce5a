"""Who asks for what: requests with a realistic skew, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

from cachelayer.demo.database import Row

T = TypeVar("T")

#: How many airports, of those that most people ask for, are asked for at all; and between how many of them one flies.
_ASKED_FOR: Final = 200
_FLOWN_BETWEEN: Final = 40
_TRIPS: Final = 60
_RUSH: Final = 40
_REPORTS: Final = (
    "runway dry",
    "light rain",
    "wind from the west",
    "fog until noon",
    "long queue for take-off",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One request of one visitor.

    Attributes:
        endpoint: method and path template, as statistics call it.
        url: the path with its query.
        visitor: who asks, for a page of one's own; None where it makes no difference.
        body: what is sent as JSON.
    """

    endpoint: str
    url: str
    visitor: str | None = None
    body: dict[str, str] | None = None

    @property
    def method(self) -> str:
        """The request's method."""
        return self.endpoint.split()[0]


class Skewed(Generic[T]):
    """Draws from items: the first most often, the n-th 1/n as often (Zipf's law, as page views have it)."""

    def __init__(self, items: Iterable[T], rng: random.Random) -> None:
        self._items = list(dict.fromkeys(items))
        self._weights = list(accumulate(1 / rank for rank in range(1, len(self._items) + 1)))
        self._random = rng

    def draw(self) -> T:
        """Return one item."""
        return self._random.choices(self._items, cum_weights=self._weights)[0]


class Visitors:
    """Makes up visits.

    Args:
        airports: those that most people ask for first.
        seed: the same seed makes up the same visits.
    """

    def __init__(self, airports: Sequence[Row], seed: int) -> None:
        rng = self._random = random.Random(seed)  # noqa: S311 - visits, not secrets
        asked = airports[:_ASKED_FOR]
        codes = [row["icao"] for row in asked]
        self._airports = Skewed[str](codes, rng)
        self._cities = Skewed[str]((row["city"].lower() for row in asked), rng)
        self._countries = Skewed[str]((row["country"] for row in asked), rng)
        trips = (tuple(rng.sample(codes[:_FLOWN_BETWEEN], 2)) for _ in range(_TRIPS))
        self._trips = Skewed[tuple[str, ...]](trips, rng)
        self._not_flown = codes[_FLOWN_BETWEEN : _FLOWN_BETWEEN + 2]

    def visits(self, count: int) -> list[Visit]:
        """Return so many visits."""
        mix: dict[Callable[[], Visit], int] = {
            self._to_airport: 45,
            self._to_search: 20,
            self._to_country: 12,
            self._to_countries: 8,
            self._to_own_trip: 10,
            self._with_report: 5,
        }
        return [make() for make in self._random.choices(list(mix), list(mix.values()), k=count)]

    def rush(self) -> list[Visit]:
        """Return visits of many visitors who all have the same trip, one that nobody had before."""
        return [_trip(f"visitor-{number}", *self._not_flown) for number in range(_RUSH)]

    def _to_airport(self) -> Visit:
        return to_airport(self._airports.draw())

    def _to_search(self) -> Visit:
        return Visit(endpoint="GET /search", url=f"/search?{urlencode({'q': self._cities.draw()})}")

    def _to_countries(self) -> Visit:
        return Visit(endpoint="GET /countries", url="/countries")

    def _to_country(self) -> Visit:
        return Visit(endpoint="GET /countries/{code}", url=f"/countries/{self._countries.draw()}")

    def _to_own_trip(self) -> Visit:
        return _trip(f"visitor-{self._random.randrange(200)}", *self._trips.draw())

    def _with_report(self) -> Visit:
        report = {"icao": self._airports.draw(), "text": self._random.choice(_REPORTS)}
        return Visit(endpoint="POST /reports", url="/reports", body=report)


def to_airport(icao: str) -> Visit:
    """Return a visit to an airport's page."""
    return Visit(endpoint="GET /airports/{icao}", url=f"/airports/{icao}")


def _trip(visitor: str, origin: str, destination: str) -> Visit:
    query = urlencode({"from": origin, "to": destination})
    return Visit(endpoint="GET /my/trip", url=f"/my/trip?{query}", visitor=visitor)
