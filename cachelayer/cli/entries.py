"""The commands `keys` and `get`: what the store holds. Values are shown only if they are asked for."""

from __future__ import annotations

from typing import Any, Final

import click

from cachelayer.backends.entry import CacheEntry
from cachelayer.cache import Cache
from cachelayer.cli.show import make_console, make_table, plain, print_json
from cachelayer.cli.target import Place, takes_json, takes_place
from cachelayer.cli.telling import keys_of
from cachelayer.dashboard.figures import iso_time, seconds, size
from cachelayer.errors import CacheLayerError, DecodingError
from cachelayer.flow.lookups import TAG
from cachelayer.flow.responses import RESPONSES
from cachelayer.http import StoredResponse, VariantIndex
from cachelayer.values.codecs import ValueCodec
from cachelayer.values.compression import decompress
from cachelayer.values.envelope import Envelope, unpack
from cachelayer.values.numbers import EXCEPTION, RESPONSE

_KINDS: Final = {RESPONSE: "response", EXCEPTION: "exception"}


@click.command()
@takes_place
@click.argument("pattern", default="*")
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="0 shows all.")
@takes_json
def keys(*, place: Place, pattern: str, limit: int, as_json: bool) -> None:
    """List the keys that match a glob PATTERN. Exits with 1 where there is none."""
    with place.cache() as cache:
        shown, more = keys_of(cache, pattern, limit)
    if as_json:
        print_json({"keys": shown, "more": more})
    else:
        for key in shown:
            click.echo(plain(key))
        if more:
            click.echo(f"there are more: --limit 0 shows all, or narrow the pattern {pattern!r}", err=True)
    if not shown:
        raise SystemExit(1)


@click.command()
@takes_place
@click.argument("key")
@click.option("--value", "with_value", is_flag=True, help="Show the value too. It may be anybody's.")
@takes_json
def get(*, place: Place, key: str, with_value: bool, as_json: bool) -> None:
    """Show the times, tags, size and label of what is stored under KEY. Exits with 1 where nothing is."""
    with place.cache() as cache:
        entry = cache.backend.get_entry(cache.key(key))
        if entry is None:
            click.echo(f"nothing is stored under {plain(key)}", err=True)
            raise SystemExit(1)
        found = _metadata(cache, key, entry)
        if with_value:
            found["value"] = _value(entry)
    if as_json:
        print_json(found)
        return
    table = make_table(("", ""))
    table.show_header = False
    for name, told in found.items():
        table.add_row(name.removesuffix("_bytes").replace("_", " "), _told(name, told))
    make_console().print(table)


def _metadata(cache: Cache, key: str, entry: CacheEntry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "key": key,
        "size_bytes": entry.size_bytes,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
        "ttl_remaining": entry.ttl_remaining,
        "metadata": None if entry.metadata is None else dict(entry.metadata),
    }
    envelope = _envelope(entry)
    if envelope is None:
        return {**found, "kind": "bytes, or signed"}
    fresh = None if envelope.fresh_until == float("inf") else envelope.fresh_until
    return {
        **found,
        "kind": _KINDS.get(envelope.codec, "result"),
        "label": envelope.label,
        "tags": _tags(cache, envelope),
        "created_at": envelope.created,
        "fresh_until": fresh,
        "computed_in": envelope.cost,
    } | _of_response(envelope)


def _envelope(entry: CacheEntry) -> Envelope | None:
    try:
        return unpack(entry.value)
    except DecodingError:
        return None


def _tags(cache: Cache, envelope: Envelope) -> list[str]:
    """Return the tags that users gave: the others are book-keeping."""
    prefix = cache.key(TAG)
    return [name.removeprefix(prefix) for name, _ in envelope.tags if name.startswith(prefix)]


def _of_response(envelope: Envelope) -> dict[str, Any]:
    value = _decoded(envelope) if envelope.codec == RESPONSE else None
    if isinstance(value, VariantIndex):
        return {"variants": [variant.key for variant in value.variants]}
    if isinstance(value, StoredResponse):
        return {"status": value.status, "body_bytes": len(value.body)}
    return {}


def _decoded(envelope: Envelope) -> Any:
    """Return the value; its bytes where it takes the function's own serializer or exceptions."""
    payload = decompress(envelope.compression, envelope.payload) if envelope.compression else envelope.payload
    codec = RESPONSES if envelope.codec == RESPONSE else ValueCodec()
    try:
        return codec.decode(envelope.codec, payload)
    except CacheLayerError:
        return payload


def _value(entry: CacheEntry) -> Any:
    """Return the value as it can be printed."""
    envelope = _envelope(entry)
    value = entry.value if envelope is None else _decoded(envelope)
    if isinstance(value, StoredResponse):
        lines = [f"{name.decode('latin-1')}: {text.decode('latin-1')}" for name, text in value.headers]
        return {"status": value.status, "headers": lines, "body": _text(value.body)}
    return _text(value) if isinstance(value, bytes) else repr(value)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return repr(data)


def _told(name: str, told: Any) -> str:
    if told is None:
        return "never" if name in {"expires_at", "fresh_until"} else "none"
    if name in {"created_at", "expires_at", "fresh_until"}:
        return f"{iso_time(told)}"
    if name in {"ttl_remaining", "computed_in"}:
        return seconds(told)
    if name.endswith("_bytes"):
        return size(told)
    if name in {"tags", "variants"}:
        return ", ".join(map(plain, told)) or "none"
    return plain(told)
