"""Why a decision went as it did: one word, the same in Cache-Status, in the statistics and in the tests."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The reason of a decision. Its value is a token that can be sent as `detail=` in Cache-Status."""

    # No lookup.
    METHOD = "METHOD"
    """Neither GET nor HEAD."""
    DISABLED = "DISABLED"
    """The matching rule has `enabled=False`."""
    PREDICATE = "PREDICATE"
    """The rule's `bypass` predicate, or its `key` returning None."""
    RULE_ERROR = "RULE-ERROR"
    """The rule's `bypass` or `key` callable raised."""
    RANGE = "RANGE"
    """The request asks for a range."""
    BODY = "BODY"
    """The request has a body, which is no part of the key."""
    PRECONDITION = "PRECONDITION"
    """If-Match and If-Unmodified-Since are for the origin alone (RFC 9111, section 4.3.2)."""
    MALFORMED_REQUEST = "MALFORMED-REQUEST"
    """No key can be made: several Host fields, or one that is no host."""

    # Looked up, and not used.
    ABSENT = "ABSENT"
    """Nothing is stored for this URL."""
    VARIANT = "VARIANT"
    """What is stored was selected by other request fields."""
    STALE = "STALE"
    """No longer fresh; or, when storing, stale on arrival."""
    REQUEST_NO_CACHE = "REQUEST-NO-CACHE"
    REQUEST_MAX_AGE = "REQUEST-MAX-AGE"
    REQUEST_MIN_FRESH = "REQUEST-MIN-FRESH"
    ONLY_IF_CACHED = "ONLY-IF-CACHED"

    # Both when storing and when reusing.
    NO_CACHE = "NO-CACHE"
    AUTHORIZATION = "AUTHORIZATION"
    COOKIE = "COOKIE"
    """The request has a cookie that is not in the key and not known to be harmless."""
    SESSION_COOKIE = "SESSION-COOKIE"

    # Not stored.
    HEAD = "HEAD"
    """A response to HEAD has no body to store."""
    REQUEST_NO_STORE = "REQUEST-NO-STORE"
    STATUS = "STATUS"
    """The status is never stored, or not by the rule or default that gave the ttl."""
    MALFORMED_RESPONSE = "MALFORMED-RESPONSE"
    TRAILERS = "TRAILERS"
    """The response has fields after its body, which are not stored."""
    SENT_AS_FILE = "SENT-AS-FILE"
    """The server takes the body from a file: it never passes by here."""
    NO_STORE = "NO-STORE"
    PRIVATE = "PRIVATE"
    MUST_UNDERSTAND = "MUST-UNDERSTAND"
    VARY_STAR = "VARY-STAR"
    SET_COOKIE = "SET-COOKIE"
    EVENT_STREAM = "EVENT-STREAM"
    NO_FRESHNESS = "NO-FRESHNESS"
    """The response has no explicit freshness, and no rule or default gives a ttl."""
    TOO_LARGE = "TOO-LARGE"
    INCOMPLETE = "INCOMPLETE"
    """The body's length is not its Content-Length."""

    # Used or stored.
    FRESH = "FRESH"
    NOT_MODIFIED = "NOT-MODIFIED"
    """A fresh response answers the request's condition with 304."""
    EXPLICIT = "EXPLICIT"
    """Stored by its own freshness."""
    RULE = "RULE"
    """Stored by a rule's ttl."""
    DEFAULT = "DEFAULT"
    """Stored by `default_ttl`."""
    HEURISTIC = "HEURISTIC"
    """Stored by a tenth of the age of its Last-Modified."""
