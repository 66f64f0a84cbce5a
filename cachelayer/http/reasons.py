"""Why a decision went as it did: one word, the same in Cache-Status, in the statistics and in the tests."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """The reason of a decision. Its value is a token that can be sent as `detail=` in Cache-Status.

    Attributes:
        explanation: what it means, in a sentence or two, with what to do where something can be done.
    """

    explanation: str

    def __new__(cls, value: str, explanation: str) -> Self:
        """Make the member of this value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member

    # No lookup.
    METHOD = (
        "METHOD",
        "The method is not one that is cached: GET, HEAD, QUERY, and POST where a rule names it.",
    )
    DISABLED = "DISABLED", "Caching is off for it: by the matching rule, `bypass()`, or CACHELAYER_DISABLED."
    PAUSED = "PAUSED", "Caching of the route is paused, by the dashboard or `Cache.pause`; resume it there."
    PREDICATE = "PREDICATE", "The rule's `bypass` said so, or its `key` gave None."
    RULE_ERROR = "RULE-ERROR", "The rule's `bypass` or `key` raised; see the log."
    RANGE = (
        "RANGE",
        "The request asks for a range of something that is not stored; a part is no answer to others.",
    )
    BODY = (
        "BODY",
        "The request has a body, on which the response may depend, and which is no part of the key.",
    )
    PRECONDITION = (
        "PRECONDITION",
        "If-Match and If-Unmodified-Since are for the application alone (RFC 9111, 4.3.2).",
    )
    UPGRADE = "UPGRADE", "The request asks for a WebSocket, for which there is no answer in a cache."
    MALFORMED_REQUEST = (
        "MALFORMED-REQUEST",
        "No key can be made of it: several Host fields, or one that is no host.",
    )

    # Looked up, and not used.
    ABSENT = "ABSENT", "Nothing is stored for this URL."
    VARIANT = (
        "VARIANT",
        "What is stored for this URL was selected by other values of the fields that Vary names.",
    )
    STALE = "STALE", "What is stored, or just came, is no longer fresh, and nothing allows to use it stale."
    REQUEST_NO_CACHE = "REQUEST-NO-CACHE", "The client wants what is stored to be confirmed (no-cache)."
    REQUEST_MAX_AGE = "REQUEST-MAX-AGE", "The client wants no response as old as what is stored (max-age)."
    REQUEST_MIN_FRESH = (
        "REQUEST-MIN-FRESH",
        "The client wants a response that stays fresh for longer (min-fresh).",
    )
    ONLY_IF_CACHED = "ONLY-IF-CACHED", "The client wants an answer from the cache or none, and there is none."
    SHADOW = (
        "SHADOW",
        "It would have been served from the cache, but the middleware only watches (shadow=True).",
    )

    # Both when storing and when reusing.
    NO_CACHE = (
        "NO-CACHE",
        "The response says no-cache: each use must be confirmed, for which it needs an ETag.",
    )
    AUTHORIZATION = (
        "AUTHORIZATION",
        (
            "The request has Authorization, and the response does not say that it is for everybody: by public, "
            "s-maxage or must-revalidate (RFC 9111, 3.5)."
        ),
    )
    COOKIE = (
        "COOKIE",
        (
            "The request has a cookie of which nobody knows if the response depends on it. Name it in ignore_cookies= "
            "or in a rule's cookies=, or let the response speak for itself by Cache-Control."
        ),
    )
    SESSION_COOKIE = (
        "SESSION-COOKIE",
        (
            "The request has a cookie that identifies a user, or a session was used, and the response does not say "
            "that it is for everybody (public)."
        ),
    )

    # Not stored.
    HEAD = "HEAD", "A response to HEAD has no body to store."
    REQUEST_NO_STORE = "REQUEST-NO-STORE", "The client wants nothing to be stored (no-store)."
    STATUS = (
        "STATUS",
        "The status is never stored, or not by the rule or default that gives the ttl; see Rule.status.",
    )
    MALFORMED_RESPONSE = (
        "MALFORMED-RESPONSE",
        "The response's status or fields are not such as a response can have.",
    )
    TRAILERS = "TRAILERS", "The response has fields after its body, which are not stored."
    SENT_AS_FILE = "SENT-AS-FILE", "The server takes the body from a file: it never passes by the cache."
    NO_STORE = "NO-STORE", "The response says no-store."
    PRIVATE = "PRIVATE", "The response says private: it is for one client."
    MUST_UNDERSTAND = (
        "MUST-UNDERSTAND",
        "The response says must-understand, and its status is not understood here.",
    )
    VARY_STAR = "VARY-STAR", "The response says Vary: *, so that no other request can be given it."
    SET_COOKIE = (
        "SET-COOKIE",
        (
            "The response sets a cookie, or a session will: a cookie is for one client. Name it in a rule's "
            "strip_cookies=, or do not set it where nobody needs it."
        ),
    )
    EVENT_STREAM = "EVENT-STREAM", "The response is a stream of events, which has no end."
    STREAMED = (
        "STREAMED",
        "It is the first stream of a view that runs in a thread; those who wait for it may hold the threads it needs.",
    )
    UNENCODABLE = "UNENCODABLE", "What the view returned is no value that can be stored."
    NO_FRESHNESS = (
        "NO-FRESHNESS",
        (
            "The response does not say how long it is fresh, and no rule or default_ttl does: send Cache-Control: "
            "max-age=..., or add a Rule(path=..., ttl=...)."
        ),
    )
    TOO_LARGE = "TOO-LARGE", "The body is larger than max_body_bytes."
    INCOMPLETE = "INCOMPLETE", "The body did not come to its end, or is not as long as Content-Length says."
    VIEW = "VIEW", "The view said so, by `no_store()`, or keeps its response by itself."
    MIN_USES = "MIN-USES", "The rule stores a response only once it was asked for more often (min_uses)."
    SEARCH = (
        "SEARCH",
        "Responses of this path say different things about which parts of the query matter (No-Vary-Search).",
    )
    INVALIDATED = "INVALIDATED", "It was invalidated while it was made."

    # Used or stored.
    FRESH = "FRESH", "What is stored is fresh."
    NOT_MODIFIED = "NOT-MODIFIED", "The client has it already: what is stored answers its condition with 304."
    STALE_WHILE_REVALIDATE = (
        "STALE-WHILE-REVALIDATE",
        "What is stored is stale, and served while it is refreshed (RFC 5861, 3).",
    )
    STALE_IF_ERROR = (
        "STALE-IF-ERROR",
        "What is stored is stale, and served because the application failed (RFC 5861, 4).",
    )
    REQUEST_MAX_STALE = "REQUEST-MAX-STALE", "What is stored is stale, and the client takes it (max-stale)."
    EXPLICIT = "EXPLICIT", "Stored by its own freshness."
    RULE = "RULE", "Stored by a rule's ttl."
    DEFAULT = "DEFAULT", "Stored by default_ttl."
    HEURISTIC = "HEURISTIC", "Stored by a tenth of the age of its Last-Modified (heuristic_freshness=True)."
