"""Purging: by URL, tag, route or prefix; hard or soft; for real or to see what it would do.

A URL's entries are found under the key that the URL alone has, with all variants behind it, and by a tag that the
others carry, whose keys have more in them (cookies, fields, a rule's own part). A route's are found by their labels in
this process's memory, and by a tag elsewhere. A prefix takes a store that can list its keys.
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from cachelayer.backends.operate import Operate
from cachelayer.errors import ConfigurationError, DecodingError, OptionTypeError
from cachelayer.flow.envelopes import Found
from cachelayer.flow.objects import LocalEntry, ObjectStorage
from cachelayer.flow.records import Draft, Record
from cachelayer.flow.responses import RESPONSES
from cachelayer.flows import Flow
from cachelayer.http import PartialResponse, Request, StoredResponse, VariantIndex, plan_lookup
from cachelayer.http.keys import PLAIN_LENGTH, normalised_host, plain_key, primary_key
from cachelayer.http.uris import Target

if TYPE_CHECKING:
    from cachelayer.cache import Cache


class Purged(msgspec.Struct, frozen=True):
    """What a purge has done, or would do.

    Attributes:
        count: entries, or None where the store cannot tell: a generation was changed, and nobody knows what it held.
        exact: whether `count` is exact, and no estimate.
        dry_run: nothing was purged.
    """

    count: int | None
    exact: bool
    dry_run: bool = False


class Purge(msgspec.Struct, frozen=True):
    """What is to be purged: exactly one of the first four.

    Attributes:
        url: absolute.
        tag: as users write it.
        route: a label.
        prefix: of URLs, absolute.
        soft: make stale, rather than remove.
        dry_run: only count.
    """

    url: str | None = None
    tag: str | None = None
    route: str | None = None
    prefix: str | None = None
    soft: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("url", "tag", "route", "prefix") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigurationError(
                f"purge takes exactly one of url=, tag=, route= and prefix=, not {', '.join(given) or 'none of them'}"
            )
        value = getattr(self, given[0])
        if not isinstance(value, str):
            raise OptionTypeError(f"{given[0]} must be str, not {type(value).__name__}")


def purging(cache: Cache, purge: Purge) -> Flow[Purged]:
    """Do what `purge` says.

    Raises:
        ConfigurationError: a URL is not absolute.
        UnsupportedOperationError: the store cannot list its keys, and the prefix needs that.
    """
    if purge.url is not None:
        return _by_url(cache, purge, target_of_url(purge.url))
    if purge.prefix is not None:
        return _by_prefix(cache, purge, _key_prefix(purge.prefix))
    if purge.tag is not None:
        return _by_names(cache, purge, (cache.tag_name(purge.tag),))
    return _by_route(cache, purge, purge.route or "")


def target_of_url(url: str) -> Target:
    """Return the parts of an absolute URL, or raise ConfigurationError."""
    try:
        parts = urlsplit(url)
        # Without a character that URLs cannot have: such ones are sent percent-encoded.
        raw = url.encode("ascii")
    except (UnicodeEncodeError, ValueError) as error:
        raise ConfigurationError(f"{url!r} is no URL as it is sent: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ConfigurationError(f"{url!r} is no absolute URL: write it like https://example.org/path?query")
    rest = raw.partition(b"://")[2].partition(b"#")[0]
    authority, slash, path = rest.partition(b"/")
    if not slash:
        authority, mark, query = rest.partition(b"?")
        return Target(parts.scheme, authority.decode(), b"/", query if mark else b"")
    path, _, query = (slash + path).partition(b"?")
    return Target(parts.scheme, authority.decode(), path, query)


def keys_of(cache: Cache, target: Target) -> tuple[str, ...]:
    """Return the keys that requests for a URL have from which nothing else is known than the URL.

    What is known in this process counts: rules of middlewares over the cache, and what responses have said, by which
    parts of the query are left out.
    """
    host = target.host.encode()
    request = cache.searches.canonical(Request("GET", target.scheme, target.path, target.query, (), host))
    found = [plain_key(target.scheme, host, target.path, query) for query in (target.query, request.query)]
    name = normalised_host(target.scheme, host)
    for policy in cache.policies:
        plan = plan_lookup(request, policy)
        found += [plan.url, plan.key]
        if name is not None:
            # A rule may want more of a request than its URL; what it makes of that is known all the same. And it may
            # be for requests with content alone.
            asked = (msgspec.structs.replace(request, method=method) for method in ("GET", "QUERY", "POST"))
            found += [primary_key(request, name, policy.rule_for(one)) for one in asked]
    return tuple(dict.fromkeys(key for key in found if key is not None))


def forgetting(cache: Cache, targets: Iterable[Target], tags: tuple[str, ...] = ()) -> Flow[int]:
    """Remove all that is stored for some URLs, and under tags; return how many entries, as far as that is known."""
    count = 0
    keys = tuple(dict.fromkeys(key for target in targets for key in keys_of(cache, target)))
    for key in keys:
        count += yield from cache.engine.storage.remove(cache.key(key))
    names = (*map(cache.url_tag, keys), *map(cache.tag_name, tags))
    if names:
        count += yield from cache.engine.invalidate_tags(names)
    return count


def _by_url(cache: Cache, purge: Purge, target: Target) -> Flow[Purged]:
    keys = keys_of(cache, target)
    counted = set[str]()
    one_by_one = yield from _by_keys(cache, purge, tuple(map(cache.key, keys)), counted)
    beside = yield from _by_names(cache, purge, tuple(map(cache.url_tag, keys)), counted)
    count = (one_by_one.count or 0) + (beside.count or 0)
    return Purged(count, beside.count is not None, purge.dry_run)


def _by_prefix(cache: Cache, purge: Purge, prefix: str) -> Flow[Purged]:
    pattern = glob.escape(cache.key(prefix)) + "*"
    keys: list[str] = yield Operate(cache.store, "keys", (pattern,))
    # What is under way in other processes for URLs of which nothing is stored cannot be known.
    begun = [key for key in cache.engine.flights.keys() if key.startswith(cache.key(prefix))]  # noqa: SIM118 - no dict
    return (yield from _by_keys(cache, purge, (*keys, *begun)))


def _by_route(cache: Cache, purge: Purge, route: str) -> Flow[Purged]:
    storage = cache.engine.storage
    names = (cache.function_tag(route),)
    if not isinstance(storage, ObjectStorage):
        return (yield from _by_names(cache, purge, (*names, cache.route_tag(route))))
    keys = tuple(entry.key for entry in storage.table.snapshot() if _label(entry) == route)
    if not purge.dry_run:
        # What is computed now will only have its label in the end.
        with storage.table.lock:
            storage.table.computing.break_all()
    responses = yield from _by_keys(cache, purge, keys)
    calls = yield from _by_names(cache, purge, names)
    return Purged((responses.count or 0) + (calls.count or 0), exact=True, dry_run=purge.dry_run)


def _by_keys(cache: Cache, purge: Purge, keys: Iterable[str], seen: set[str] | None = None) -> Flow[Purged]:
    """Purge what is under these keys of the store, and the variants behind them; `seen` gets all of those keys."""
    storage, count, seen = cache.engine.storage, 0, set[str]() if seen is None else seen
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        record: Record | None = yield from storage.peek(key, RESPONSES, cache.own_tags)
        entry = None if record is None else _response(record)
        if isinstance(entry, VariantIndex):
            waiting.extend(cache.key(variant.key) for variant in entry.variants)
        elif entry is not None:
            count += 1
        if purge.dry_run:
            continue
        if not purge.soft or isinstance(entry, PartialResponse):
            # Parts that are stale are of no use to anybody.
            yield from storage.remove(key)
            continue
        yield from storage.fence_off(key)
        if isinstance(entry, StoredResponse):
            yield from _make_stale(cache, key)
    return Purged(count, exact=True, dry_run=purge.dry_run)


def _by_names(
    cache: Cache, purge: Purge, names: tuple[str, ...], counted: Collection[str] = ()
) -> Flow[Purged]:
    """Purge what carries these tags, by the store's names of them; what is under the keys in `counted` is counted."""
    storage = cache.engine.storage
    count: int | None = None
    if isinstance(storage, ObjectStorage):
        found = {entry.key: entry for name in names for entry in storage.table.under(name)}
        count = sum(
            key not in counted and not isinstance(getattr(entry, "payload", None), VariantIndex)
            for key, entry in found.items()
        )
    if not purge.dry_run:
        yield from cache.engine.invalidate_tags(names, soft=purge.soft)
    return Purged(count, exact=count is not None, dry_run=purge.dry_run)


def _key_prefix(prefix: str) -> str:
    """Return what the keys of URLs with this prefix begin with."""
    target = target_of_url(prefix)
    host = normalised_host(target.scheme, target.host.encode())
    if host is None:
        raise ConfigurationError(f"{prefix!r} has no host that a request could have")
    query = f"?{target.query.decode()}" if "?" in prefix.partition("#")[0] else ""
    found = f"GET {target.scheme}://{host}{target.path.decode()}{query}"
    if len(found) > PLAIN_LENGTH:
        raise ConfigurationError(
            f"the prefix is too long: keys tell {PLAIN_LENGTH} characters of a URL; purge by tag or route"
        )
    return found


def _label(entry: Any) -> str | None:
    payload = entry.payload if isinstance(entry, LocalEntry) else None
    response = payload.response if isinstance(payload, PartialResponse) else payload
    return getattr(response, "label", None)


def _response(record: Record) -> Any:
    """Return the response, or the index of variants, in a record; None where it is something else."""
    try:
        value = record.value()
    except DecodingError:
        return None
    return value if isinstance(value, (StoredResponse, VariantIndex, PartialResponse)) else None


def _make_stale(cache: Cache, key: str) -> Flow[None]:
    """Make a response stale, with all tags that it has; unless it is changed, removed or invalidated meanwhile."""
    storage, flights = cache.engine.storage, cache.engine.flights
    flight = flights.alone(key)
    try:
        storage.watch(flight)
        yield from storage.capture(flight, cache.own_tags)
        record: Record | None = yield from storage.peek(key, RESPONSES, cache.own_tags)
        entry = None if record is None else _response(record)
        if record is None or not isinstance(entry, StoredResponse):
            return
        names = _names_of(record)
        if (yield from storage.capture_late(flight, tuple(set(names) - {*cache.own_tags}))):
            stale = msgspec.structs.replace(entry, fresh_until=min(entry.fresh_until, cache.clock()))
            draft = Draft(
                key,
                stale,
                stale.fresh_until,
                stale.keep_until,
                entry.response_time,
                record.cost,
                names,
                entry.label,
            )
            yield from storage.write(draft, RESPONSES, flight)
    finally:
        flights.detach(flight)


def _names_of(record: Record) -> tuple[str, ...]:
    """Return the store's names of a record's tags."""
    if isinstance(record, LocalEntry):
        return tuple(tag.name for tag in record.tags)
    return tuple(name for name, _ in record.envelope.tags) if isinstance(record, Found) else ()
