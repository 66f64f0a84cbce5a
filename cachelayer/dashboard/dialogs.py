"""The form to purge by, and what is shown before and after: in a dialog, or without JavaScript on a page of its own."""

from __future__ import annotations

from typing import Final

from cachelayer.dashboard import figures
from cachelayer.dashboard.actions import Done, Target
from cachelayer.dashboard.markup import Markup, join, tag
from cachelayer.dashboard.words import plural

_KINDS: Final = {
    "route": ("Route", "GET /users/{id}"),
    "url": ("URL", "https://example.org/users/7?full=1"),
    "tag": ("Tag", "user:7"),
    "prefix": ("Prefix", "https://example.org/users/"),
}


def purge_form(token: str, target: Target | None = None) -> Markup:
    """Return the form that asks what to purge."""
    kind = target.kind if target else "route"
    kinds = [
        tag(
            "label",
            tag("input", type="radio", name="kind", value=name, checked=name == kind, data_hint=hint),
            words,
        )
        for name, (words, hint) in _KINDS.items()
    ]
    soft = target is None or target.soft
    modes = [
        tag(
            "label",
            tag("input", type="radio", name="mode", value="soft", checked=soft),
            "Soft: serve it stale while it is renewed",
        ),
        tag(
            "label",
            tag("input", type="radio", name="mode", value="hard", checked=not soft),
            "Hard: remove it now",
        ),
    ]
    value = tag(
        "input", class_="field", name="value", id="purge-value", required=True, maxlength=2000, autocomplete="off",
        placeholder=_KINDS[kind][1], value=target.value if target else None,
    )  # fmt: skip
    return tag(
        "form",
        _title("Purge"),
        tag("input", type="hidden", name="csrf_token", value=token),
        tag("fieldset", tag("legend", "By"), tag("div", kinds, class_="choices")),
        tag("label", "Which", value, class_="wide"),
        tag("fieldset", tag("legend", "How"), tag("div", modes, class_="choices")),
        tag(
            "div",
            _cancel("Cancel"),
            tag("button", "Preview", class_="button main", name="step", value="preview"),
            class_="ends",
        ),
        method="post",
        action="purge",
        class_="dialog",
        data_purge_form=True,
    )


def purge_preview(target: Target, done: Done, token: str) -> Markup:
    """Return what a purge would do, and the button that does it."""
    count = entries(done)
    how = "would be served stale until renewed" if target.soft else "would be removed"
    refill = (
        ""
        if done.refill_seconds is None
        else f"It takes about {figures.seconds(done.refill_seconds)} of computing to fill them again."
    )
    facts = tag(
        "div",
        tag("span", count, class_="big"),
        tag("span", f"{how}, of {target.words}.", class_="muted"),
        tag("span", refill, class_="muted small") if refill else None,
        class_="preview",
    )
    hidden = {
        "csrf_token": token,
        "kind": target.kind,
        "value": target.value,
        "mode": "soft" if target.soft else "hard",
    }
    button = "Purge softly" if target.soft else "Purge now"
    return tag(
        "form",
        _title("Purge this?"),
        [tag("input", type="hidden", name=name, value=value) for name, value in hidden.items()],
        facts,
        tag(
            "div",
            _cancel("Cancel"),
            tag(
                "button",
                button,
                class_="button main" if target.soft else "button danger",
                name="step",
                value="purge",
            ),
            class_="ends",
        ),
        method="post",
        action="purge",
        class_="dialog",
        data_purge_form=True,
    )


def purge_result(target: Target, done: Done) -> Markup:
    """Return what a purge did."""
    facts = tag(
        "div",
        tag("span", f"{entries(done)} {'now stale' if target.soft else 'removed'}", class_="big"),
        tag("span", target.words, class_="muted"),
        tag("span", done.reach, class_="muted small"),
        class_="preview",
    )
    return tag(
        "div",
        _title("Purged"),
        facts,
        tag("div", _cancel("Done", main=True), class_="ends"),
        class_="dialog",
        data_done=True,
    )


def refused(detail: str) -> Markup:
    """Return why something was not done."""
    said = tag("div", tag("span", tag("b", "Not done."), " ", detail), class_="notice bad", role="alert")
    return tag(
        "div", _title("Purge"), said, tag("div", _cancel("Close", main=True), class_="ends"), class_="dialog"
    )


def entries(done: Done) -> str:
    """Return how many entries, marked where it is an estimate."""
    if done.count is None:
        return "An unknown number of entries"
    return f"{'' if done.exact else 'About '}{figures.count(done.count)} {plural(done.count, 'entry', 'entries')}"


def _title(words: str) -> Markup:
    return tag("header", tag("h2", words))


def _cancel(words: str, *, main: bool = False) -> Markup:
    return join(tag("a", words, href="./", class_="button main" if main else "button", data_dismiss=True))
