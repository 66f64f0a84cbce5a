"""Validation of stored responses (RFC 9111, section 4.3): what to ask the origin, and what its answer is about."""

from __future__ import annotations

from typing import Final, Literal

from cachelayer.http.fields import index, lines, storable
from cachelayer.http.messages import Headers, RequestHeaders, ResponseHead, StoredResponse
from cachelayer.http.validators import (
    entity_tag,
    is_strong,
    last_modified,
    modified,
    same_strongly,
    same_weakly,
    strong_last_modified,
)

#: A request's own conditions, and Range. A stored response is to be validated: for its answer, not the origin's.
CONDITIONS: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range"}
)

#: What an update never touches: these describe the stored body, and frameworks put defaults of theirs into a 304; and
#: a cookie is for the client that caused the update.
_KEPT_AS_STORED: Final = frozenset(
    {b"content-length", b"content-encoding", b"content-type", b"content-range", b"content-md5", b"content-digest"}
    | {b"set-cookie", b"set-cookie2"}
)  # fmt: skip


def can_validate(stored: StoredResponse) -> bool:
    """Whether a stored response has a validator that a conditional request can rely on."""
    return stored.etag is not None or strong_last_modified(stored) is not None


def conditional_headers(request_headers: RequestHeaders, stored: tuple[StoredResponse, ...]) -> Headers:
    """Return the fields of the request that validates stored responses (section 4.3.1).

    Without a validator among them it has no conditions at all. A date is sent where a single response is validated,
    and only if it is a strong validator: else an application that looks at dates alone would take a change within
    that second for none.

    Args:
        request_headers: the client's fields; its own conditions and Range are left out.
        stored: the responses that the request could be answered with, once they are validated.
    """
    return unconditional(request_headers) + _conditions(stored)


def unconditional(request_headers: RequestHeaders) -> Headers:
    """Return the fields of a request without its conditions and Range."""
    # To an application behind CGI or WSGI "_" and "-" are one.
    return tuple(line for line in request_headers if line[0].lower().replace(b"_", b"-") not in CONDITIONS)


def _conditions(stored: tuple[StoredResponse, ...]) -> Headers:
    etags = tuple(dict.fromkeys(one.etag for one in stored if one.etag is not None))
    found: Headers = ((b"if-none-match", b", ".join(etags)),) if etags else ()
    if len(stored) != 1:
        return found
    date = strong_last_modified(stored[0])
    return found if date is None else (*found, (b"if-modified-since", date.sent))


def selected(head_304: ResponseHead, candidates: tuple[StoredResponse, ...]) -> StoredResponse | None:
    """Return the newest stored response that a 304 is about (sections 4.3.3 and 4.3.4), or None: none of them.

    Args:
        head_304: the answer to the request with `conditional_headers`.
        candidates: the responses whose validators were sent.
    """
    etag = entity_tag(head_304.headers)
    if etag is not None:
        same = same_strongly if is_strong(etag) else same_weakly
        return _newest([one for one in candidates if same(etag, one.etag)])
    if lines(head_304.headers, b"last-modified"):
        return _newest([one for one in candidates if _same_date(head_304, one)])
    # No other condition was sent than that of this one: it is what has not been modified.
    return candidates[0] if len(candidates) == 1 else None


def _same_date(head: ResponseHead, stored: StoredResponse) -> bool:
    theirs, ours = modified(head.headers, stored.response_time), last_modified(stored)
    return theirs is not None and ours is not None and theirs.at == ours.at


def _newest(found: list[StoredResponse]) -> StoredResponse | None:
    return max(found, key=lambda one: one.response_time, default=None)


def updated_headers(stored_headers: Headers, new_headers: Headers) -> Headers:
    """Return stored fields, each replaced that the newer response has too, the others of it added (section 3.2).

    All lines of a field stand where its first one stood. Not taken over: what is not stored (section 3.1), what
    describes the stored body, and Set-Cookie. Of a newer response without Date the date is that of its receipt
    (RFC 9110, section 6.6.1), so the stored one, which would make it old, does not stay.

    Args:
        stored_headers: of the stored response.
        new_headers: of a 304, or of a response to HEAD.
    """
    newer: dict[bytes, Headers] = {b"date": ()}
    for line in storable(new_headers):
        name = line[0].lower()
        if name not in _KEPT_AS_STORED:
            newer[name] = (*newer.get(name, ()), line)
    updated: list[tuple[bytes, bytes]] = []
    replaced: set[bytes] = set()
    for line in stored_headers:
        name = line[0].lower()
        if name not in newer:
            updated.append(line)
        elif name not in replaced:
            replaced.add(name)
            updated.extend(newer[name])
    updated.extend(line for name, found in newer.items() if name not in replaced for line in found)
    return tuple(updated)


HeadEffect = Literal["update", "invalidate", "ignore"]


def head_updates(stored: StoredResponse, head: ResponseHead) -> HeadEffect:
    """Return what an origin's response to HEAD means for a stored response to GET (section 4.3.5).

    "update": validators match, and the length if it is said: it is as new as this. "invalidate": something differs, so
    the stored one is stale from now on. "ignore": only 200 says anything, and without a validator it proves nothing:
    the body may be another one.

    Args:
        stored: a response to GET that the HEAD request could have been answered with.
        head: the response to HEAD.
    """
    if head.status != 200 or stored.status != 200:
        return "ignore"
    fields = index(head.headers)
    if any(length != b"%d" % len(stored.body) for length in fields.get(b"content-length", ())):
        return "invalidate"
    theirs = {name: fields[name] for name in (b"etag", b"last-modified") if name in fields}
    if not theirs:
        return "ignore"
    ours = index(stored.headers)
    return "update" if all(ours.get(name) == values for name, values in theirs.items()) else "invalidate"
