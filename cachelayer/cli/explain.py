"""The command `explain`: asks for a URL, and says why the answer came from the cache or did not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import click
import http_sf
import msgspec

from cachelayer.backends.url import mask_passwords
from cachelayer.cli.show import make_console, make_table, plain, print_json
from cachelayer.cli.target import FailureError, takes_json
from cachelayer.http import Reason
from cachelayer.http.cache_status import Forward

#: Where each reason is spelt out.
PAGE: Final = "docs/http.md#why-not"

#: Why the application was asked, as RFC 9211, section 2.2, has it.
_FORWARDED: Final = {
    Forward.BYPASS: "The cache was not asked: it was told not to deal with this request.",
    Forward.METHOD: "The request's method is not one that is answered from the cache.",
    Forward.URI_MISS: "Nothing was stored for this URL.",
    Forward.VARY_MISS: "Something is stored for this URL, but for other values of the fields that Vary names.",
    Forward.REQUEST: "The request's own Cache-Control asked for a newer response.",
    Forward.STALE: "What is stored is no longer fresh.",
}
_OTHERS: Final = {
    "miss": "The cache had nothing that it could use.",
    "partial": "The cache had a part of what was asked for.",
}
_TELLING: Final = ("Cache-Control", "Age", "Vary", "ETag", "Expires", "Set-Cookie")


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request.

    Attributes:
        url: what was asked for.
        status: of the answer.
        answer: "hit", "collapsed", "revalidated", "stale", "generated", "miss" or "unknown".
        from_cache: whether the body came from the cache.
        stored: whether it will be kept.
        sentences: why, in words.
        cache_status: the field as it came; "" where there was none.
        fields: the fields that decide about caching; of Set-Cookie the names alone.
        page: where reasons are spelt out.
    """

    url: str
    status: int
    answer: str
    from_cache: bool
    stored: bool
    sentences: tuple[str, ...]
    cache_status: str
    fields: dict[str, str]
    page: str = PAGE


@click.command()
@click.argument("url")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send this field, too."
)
@click.option("--cache-name", default="cachelayer", show_default=True, help="As cache_status= names it.")
@click.option("--timeout", type=click.FloatRange(0.1), default=30.0, show_default=True, help="In seconds.")
@takes_json
def explain(*, url: str, headers: tuple[str, ...], cache_name: str, timeout: float, as_json: bool) -> None:
    """Ask for URL once, by GET, and say why it was a hit or was not. Exits with 0 for a hit, 1 for none."""
    found = explained(url, *_ask(url, _fields(headers), timeout), cache_name)
    if as_json:
        print_json(found)
    else:
        _print(found)
    raise SystemExit(0 if found.from_cache else 1)


def _fields(headers: Iterable[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(
                f"{name!r} has no value: write it as 'Name: value'", param_hint="--header"
            )
        fields.append((name.strip(), value.strip()))
    return fields


def _ask(url: str, fields: list[tuple[str, str]], timeout: float) -> tuple[int, list[tuple[str, str]]]:
    """Return the status and the fields of the answer."""
    import httpx

    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} does not begin with http:// or https://", param_hint="URL")
    try:
        with httpx.stream("GET", url, headers=fields, timeout=timeout) as response:
            return response.status_code, list(response.headers.multi_items())
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise FailureError(f"{url} cannot be asked: {error}") from error


def explained(url: str, status: int, headers: list[tuple[str, str]], cache_name: str) -> Explanation:
    """Return what the fields of an answer say."""
    line = ", ".join(value for name, value in headers if name.lower() == "cache-status")
    found = _member(line, cache_name)
    shown = mask_passwords(url)
    fields = {
        name: ", ".join(_told(name, value) for key, value in headers if key.lower() == name.lower())
        for name in _TELLING
        if any(key.lower() == name.lower() for key, _ in headers)
    }
    if found is None:
        sentences = (_nobody(line, cache_name),)
        return Explanation(
            url=shown,
            status=status,
            answer="unknown",
            from_cache=False,
            stored=False,
            sentences=sentences,
            cache_status=line,
            fields=fields,
        )
    answer = _answer(found)
    return Explanation(
        url=shown,
        status=status,
        answer=answer,
        from_cache=answer not in {"miss", "generated"},
        stored=bool(found.get("stored")),
        sentences=tuple(_sentences(found, answer)),
        cache_status=line,
        fields=fields,
    )


def _member(line: str, cache_name: str) -> dict[str, Any] | None:
    """Return the parameters of the cache of this name; None where the field has no such member (RFC 9211, 2)."""
    if not line:
        return None
    try:
        members: Any = http_sf.parse(line.encode("latin-1"), tltype="list")
    except (ValueError, UnicodeEncodeError):
        return None
    # Caches append, so that the last one of the name is the one that is nearest to the client.
    return next((dict(member[1]) for member in reversed(members) if str(member[0]) == cache_name), None)


def _nobody(line: str, cache_name: str) -> str:
    if not line:
        return (
            "The answer has no Cache-Status: no middleware of cachelayer is around the application, it was told "
            "cache_status=None, or a proxy removed the field."
        )
    return f"No cache called {cache_name!r} is among those that Cache-Status names: give its name as --cache-name."


def _answer(found: dict[str, Any]) -> str:
    if found.get("hit"):
        return "hit"
    if found.get("collapsed"):
        return "collapsed"
    if "fwd" not in found:
        return "generated"
    if found.get("fwd-status") == 304:
        return "revalidated"
    # Section 2.4: a time to live is said of what was stored. With a forwarded request, it took the place of a failure.
    return "stale" if "ttl" in found and str(found["fwd"]) == Forward.STALE else "miss"


def _sentences(found: dict[str, Any], answer: str) -> Iterable[str]:
    ttl, forward, detail = found.get("ttl"), str(found.get("fwd", "")), str(found.get("detail", ""))
    if answer == "hit":
        yield "It came from the cache."
        if isinstance(ttl, int):
            yield f"It is fresh for {ttl} more s." if ttl >= 0 else f"It has been stale for {-ttl} s."
    elif answer == "collapsed":
        yield "It was asked for by another request at the same time, and both got that answer."
    elif answer == "revalidated":
        yield "What was stored is no longer fresh; the application confirmed it."
    elif answer == "stale":
        yield "The application failed, and what is stored was served although it is stale."
    elif answer == "generated":
        yield "The cache made the answer by itself."
    else:
        yield "The application was asked."
        yield (
            _FORWARDED[Forward(forward)]
            if forward in set(Forward)
            else _OTHERS.get(forward, f"fwd={forward}")
        )
    if detail:
        yield f"{detail}: {_meaning(detail)}"
    if answer == "miss":
        yield (
            "It is stored: the next request like this one is a hit."
            if found.get("stored")
            else "It is not stored."
        )


def _meaning(detail: str) -> str:
    return next((each.explanation for each in Reason if each.value == detail), "no word of this cache.")


def _told(name: str, value: str) -> str:
    # A cookie's value identifies a user.
    return f"{value.partition('=')[0]}=..." if name == "Set-Cookie" else value


_STYLES: Final = {"hit": "bold green", "miss": "bold red", "unknown": "bold red"}


def _print(found: Explanation) -> None:
    console = make_console()
    console.print(f"{found.answer}, status {found.status}", style=_STYLES.get(found.answer, "bold yellow"))
    for sentence in found.sentences:
        console.print(plain(sentence), soft_wrap=True)
    table = make_table(("", ""))
    table.show_header = False
    for name, value in {"Cache-Status": found.cache_status or "none", **found.fields}.items():
        table.add_row(name, plain(value))
    console.print(table)
    console.print(f"Reasons: {found.page}", style="dim")
