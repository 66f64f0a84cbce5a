"""What the dashboard can do: purge, softly or at once, after a look at what that would reach; and pause a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from cachelayer.dashboard.messages import MOST_BODY_BYTES, Refusal, Request
from cachelayer.dashboard.words import plural
from cachelayer.stats.report import Report

KINDS: Final = ("url", "tag", "route", "prefix")
_LONGEST: Final = 2000


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be purged.

    Attributes:
        kind: "url", "tag", "route" or "prefix".
        value: which one.
        soft: whether entries become stale rather than gone.
    """

    kind: str
    value: str
    soft: bool = True

    @property
    def words(self) -> str:
        """As the log calls it."""
        return f"{self.kind} {self.value}"


class Purged(Protocol):
    """What a cache says of a purge: how many entries, and whether that is no estimate."""

    @property
    def count(self) -> int | None:
        """Entries; None where the store cannot tell."""
        ...

    @property
    def exact(self) -> bool:
        """Whether `count` is exact."""
        ...


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a purge did, or would do.

    Attributes:
        count: entries; None where nobody knows.
        exact: whether it is no estimate.
        refill_seconds: what computing them again would take; None where unknown.
        reached: workers that it has reached.
        workers: workers that it has to reach.
        reach: the same in words.
    """

    count: int | None
    exact: bool
    refill_seconds: float | None = None
    reached: int = 1
    workers: int = 1
    reach: str = ""


def target_of(form: Mapping[str, str]) -> Target:
    """Return what a form or a JSON object asks to purge.

    Raises:
        Refusal: with 400: it does not say what.
    """
    kind, value = form.get("kind", ""), form.get("value", "").strip()
    if kind not in KINDS:
        raise Refusal(400, f"kind={kind[:40]!r}: it is one of {', '.join(KINDS)}")
    if not value:
        raise Refusal(400, f"value is missing: say which {kind} to purge")
    if len(value) > _LONGEST:
        raise Refusal(400, f"value is too long: at most {_LONGEST} characters")
    if kind in {"url", "prefix"} and not value.startswith(("http://", "https://")):
        raise Refusal(400, f"a {kind} begins with http:// or https://, as in https://example.org/users/7")
    return Target(kind=kind, value=value, soft=_is_soft(form))


def done_of(target: Target, purged: Purged, report: Report | None, *, shared: bool) -> Done:
    """Return what the cache said of a purge, with what that means."""
    workers = 1 if shared or report is None else max(1, len(report.workers))
    return Done(
        count=purged.count,
        exact=purged.exact,
        refill_seconds=_refill(target, purged.count, report),
        reached=1,
        workers=workers,
        reach=_words(1, workers, shared=shared, alone=report is None or report.scope == "process"),
    )


def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form or JSON object, or raise Refusal (413, 400)."""
    if len(request.body) > MOST_BODY_BYTES:
        raise Refusal(413, f"the body is too long: at most {MOST_BODY_BYTES} bytes")
    try:
        return request.form()
    except ValueError as error:
        raise Refusal(400, f"the body makes no sense: {error}") from error


def label_of(form: Mapping[str, str]) -> str:
    """Return which route a form names, or raise Refusal (400)."""
    label = form.get("route", "")
    if not label or len(label) > _LONGEST:
        raise Refusal(400, "route is missing or too long: give a label, as the report has them")
    return label


def is_resuming(form: Mapping[str, str]) -> bool:
    """Return whether a form asks to resume rather than to pause, or raise Refusal (400)."""
    action = form.get("action", "pause")
    if action not in {"pause", "resume"}:
        raise Refusal(400, f"action={action[:40]!r}: it is pause or resume")
    return action == "resume"


def is_true(form: Mapping[str, str], name: str, default: str = "false") -> bool:
    """Return a truth value, or raise Refusal (400)."""
    text = form.get(name, default)
    if text not in {"true", "false"}:
        raise Refusal(400, f"{name}={text[:40]!r}: it is true or false")
    return text == "true"


def _is_soft(form: Mapping[str, str]) -> bool:
    """Return whether a form's `mode`, or an object's `soft`, asks for a soft purge; that is the default."""
    if "soft" in form:
        return is_true(form, "soft")
    mode = form.get("mode", "soft")
    if mode not in {"soft", "hard"}:
        raise Refusal(400, f"mode={mode[:40]!r}: it is soft or hard")
    return mode == "soft"


def _refill(target: Target, count: int | None, report: Report | None) -> float | None:
    """Return the seconds that the origin would take for so many entries, at the mean of the route or of all."""
    if report is None or count is None:
        return None
    rows = (*report.routes, *report.functions)
    row = next((one for one in rows if target.kind == "route" and one.route == target.value), None)
    mean = (row or report.total).origin.mean
    return None if mean is None else mean * count


def _words(reached: int, workers: int, *, shared: bool, alone: bool) -> str:
    if shared:
        return "The store is shared: all workers see it."
    if alone:
        return "This worker. Any others have memories of their own and were not told: see stats_dir=."
    if workers > reached:
        return f"{reached} of {workers} workers so far; the others follow with their next exchange."
    return f"{reached} {plural(reached, 'worker')}, and there is no other."
