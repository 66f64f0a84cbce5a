"""What the application asks its database. Each of these reads tens of thousands of rows, as honest SQL does."""

from __future__ import annotations

import math
from typing import Final

from cachelayer.demo.database import Database, Row

_EARTH_KM: Final = 6371.0
#: How far from the direct way an airport may be, to divert to.
_ASIDE_KM: Final = 100.0

_AIRPORT: Final = """
    SELECT icao, iata, name, city, region, country, timezone, elevation, latitude, longitude FROM airports
    WHERE icao = :icao
"""
_POINT: Final = "SELECT x, y, z FROM airports WHERE icao = :icao"
_NEAREST: Final = """
    SELECT icao, name, country, x * :x + y * :y + z * :z AS cosine FROM airports
    WHERE icao <> :icao ORDER BY cosine DESC LIMIT 10
"""
_ALONG: Final = """
    SELECT icao, name, country, x * :ax + y * :ay + z * :az AS cosine FROM airports
    WHERE iata <> '' AND abs(x * :nx + y * :ny + z * :nz) < :aside
        AND cosine > :cosine AND x * :bx + y * :by + z * :bz > :cosine
    ORDER BY cosine DESC
"""
_SEARCH: Final = """
    SELECT icao, iata, name, city, country FROM airports
    WHERE name LIKE :pattern OR city LIKE :pattern OR region LIKE :pattern
    ORDER BY iata = '', name LIMIT 20
"""
_COUNTRIES: Final = """
    SELECT country, count(*) AS airports, count(DISTINCT region) AS regions,
        count(DISTINCT timezone) AS timezones, max(elevation) AS highest_feet, name AS highest
    FROM airports GROUP BY country ORDER BY airports DESC, country
"""
_COUNTRY: Final = """
    WITH ranked AS (
        SELECT country, count(*) AS airports, rank() OVER (ORDER BY count(*) DESC) AS rank,
            rank() OVER (ORDER BY avg(elevation) DESC) AS rank_by_elevation
        FROM airports GROUP BY country
    ) SELECT * FROM ranked WHERE country = :country
"""
_REGIONS: Final = """
    SELECT region, count(*) AS airports, max(elevation) AS highest_feet, name AS highest FROM airports
    WHERE country = :country GROUP BY region ORDER BY airports DESC, region
"""


def airport(database: Database, icao: str) -> Row | None:
    """Return one airport, or None."""
    return database.row(_AIRPORT, icao=icao)


def nearest(database: Database, icao: str) -> list[Row]:
    """Return the ten airports that are nearest to another one."""
    here = database.row(_POINT, icao=icao)
    return [] if here is None else [_with_km(row) for row in database.rows(_NEAREST, icao=icao, **here)]


def along_route(database: Database, origin: str, destination: str) -> list[Row]:
    """Return the airports near the direct way from one to another, in order: where a flight may divert to."""
    start, end = database.row(_POINT, icao=origin), database.row(_POINT, icao=destination)
    if start is None or end is None or origin == destination:
        return []
    ends = {"a" + axis: start[axis] for axis in "xyz"} | {"b" + axis: end[axis] for axis in "xyz"}
    values = {**ends, **_plane(**ends), "aside": math.sin(_ASIDE_KM / _EARTH_KM)}
    return [_with_km(row) for row in database.rows(_ALONG, **values)]


def search(database: Database, text: str) -> list[Row]:
    """Return up to twenty airports whose name, city or region contains a text."""
    return database.rows(_SEARCH, pattern=f"%{text}%")


def countries(database: Database) -> list[Row]:
    """Return every country with its number of airports, regions and time zones, and its highest airport."""
    return database.rows(_COUNTRIES)


def country(database: Database, code: str) -> Row | None:
    """Return a country with its ranks in the world and its regions, or None."""
    found = database.row(_COUNTRY, country=code)
    return found and {**found, "regions": database.rows(_REGIONS, country=code)}


def reports(database: Database, icao: str) -> list[str]:
    """Return what pilots reported of an airport."""
    return [row["text"] for row in database.rows("SELECT text FROM reports WHERE icao = :icao", icao=icao)]


def add_report(database: Database, icao: str, text: str) -> None:
    """Store a pilot's report of an airport."""
    database.change("INSERT INTO reports VALUES (:icao, :text)", [{"icao": icao, "text": text}])


def _plane(*, ax: float, ay: float, az: float, bx: float, by: float, bz: float) -> dict[str, float]:
    """Return the normal of the plane in which both ends and the Earth's centre lie, and the cosine between the ends."""
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = math.hypot(x, y, z) or 1.0
    return {"nx": x / length, "ny": y / length, "nz": z / length, "cosine": ax * bx + ay * by + az * bz}


def _with_km(row: Row) -> Row:
    cosine = max(-1.0, min(1.0, row.pop("cosine")))
    return {**row, "km": round(_EARTH_KM * math.acos(cosine))}
