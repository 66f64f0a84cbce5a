"""The data: the world's airports, as the package airportsdata ships them (MIT licence), for a table of SQLite.

A place is kept as a point on the unit sphere too: the product of two such points is the cosine of the angle between
them, so that SQLite finds what is near with multiplications alone.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from typing import Final

import airportsdata

from cachelayer.demo.database import Database, Row

_TABLES: Final = (
    """CREATE TABLE airports (
        icao TEXT PRIMARY KEY, iata TEXT, name TEXT, city TEXT, region TEXT, country TEXT, timezone TEXT,
        elevation REAL, latitude REAL, longitude REAL, x REAL, y REAL, z REAL
    ) WITHOUT ROWID""",
    "CREATE TABLE reports (icao TEXT, text TEXT)",
)
_INSERT: Final = """INSERT INTO airports VALUES (
    :icao, :iata, :name, :city, :subd, :country, :tz, :elevation, :lat, :lon, :x, :y, :z
)"""


def load_airports() -> list[Row]:
    """Return the airports, those that most people ask for first: of cities that have several."""
    cities = [city["airports"].values() for city in airportsdata.load_iata_macs().values()]
    sizes = {airport["icao"]: len(airports) for airports in cities for airport in airports}
    found = [
        {**airport, **_point(airport["lat"], airport["lon"])} for airport in airportsdata.load().values()
    ]
    return sorted(found, key=lambda row: (-sizes.get(row["icao"], 0), not row["iata"], _shuffled(row)))


def make_tables(database: Database) -> None:
    """Make the tables."""
    for table in _TABLES:
        database.change(table)


def store_airports(database: Database, rows: Iterable[Row]) -> None:
    """Store airports."""
    database.change(_INSERT, rows)


def _shuffled(row: Row) -> int:
    """Order airports by nothing that means anything, and always the same way."""
    return zlib.crc32(row["icao"].encode())


def _point(latitude: float, longitude: float) -> Row:
    phi, lam = math.radians(latitude), math.radians(longitude)
    return {"x": math.cos(phi) * math.cos(lam), "y": math.cos(phi) * math.sin(lam), "z": math.sin(phi)}
