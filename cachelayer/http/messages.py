"""The frozen values that the engine's functions take and return: requests, response heads, stored responses.

Header fields are tuples of `(name, value)` pairs of bytes, in the order they came, repeated lines included. They are
never put through a dict, which would lose both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from cachelayer.http.no_vary_search import SearchVariance

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
#: The fields of a request: a server's own form of them will do, if it can be gone through again and again.
RequestHeaders: TypeAlias = Iterable[tuple[bytes, bytes]]

#: The lines of a message by field name in lower case, made by `cachelayer.http.fields.index` to look fields up in.
FieldLines: TypeAlias = Mapping[bytes, tuple[bytes, ...]]

#: Field names and the lines a request had for each: `(b"x", ())` is an absent field, `(b"x", (b"",))` an empty one.
Nominated: TypeAlias = tuple[tuple[bytes, tuple[bytes, ...]], ...]


class Request(msgspec.Struct, frozen=True):
    """A request as the server received it.

    Args:
        method: as sent; methods are case-sensitive.
        scheme: "http" or "https".
        path: the path as sent, raw: not percent-decoded, without the query.
        query: the raw query, without "?".
        headers: the fields as sent.
        host: authority to use where `headers` have no Host field, such as the server's own name, or None.
        original: the raw path that the client sent, where something before this cache gave the request another one.
        relevant: the lines of the `cachelayer.http.plan.RELEVANT` fields that it has, by lower-case name, where the
            server's form of the request lets them be found quickly; Host is in `host` then. None: look in `headers`.
        content: its whole body, where that is part of the key: of QUERY, and of POST by rule. None: it was not read.
        search: what of the query counts, where the rest of it has been left out: only what says the same about itself
            is stored and found by it. None: `query` is as sent.
    """

    method: str
    scheme: str
    path: bytes
    query: bytes
    headers: RequestHeaders
    host: bytes | None = None
    original: bytes | None = None
    relevant: FieldLines | None = None
    content: bytes | None = None
    search: SearchVariance | None = None


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """What an application says before its body.

    Args:
        status: the status code.
        headers: the fields as said.
        phrase: the reason phrase where it is not the usual one, else empty.
        trailers: there will be fields after the body.
    """

    status: int
    headers: Headers
    phrase: bytes = b""
    trailers: bool = False


class Instructions(msgspec.Struct, frozen=True, gc=False):
    """What the application itself said about the caching of its response while it made it (see `Cache.ttl`).

    Args:
        ttl: how long it is fresh, in seconds, whatever its fields say; None: they decide.
        while_revalidate: how long after that it is served stale while it is refreshed, in seconds.
        if_error: how long after that it is served stale where the application fails, in seconds.
        tags: groups it belongs to, beside those of the rule.
        no_store: it must not be stored.
        is_general: the ttl counts as a rule's: it was said for all responses of some views.
    """

    ttl: float | None = None
    while_revalidate: float | None = None
    if_error: float | None = None
    tags: tuple[str, ...] = ()
    no_store: bool = False
    is_general: bool = False


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A whole response made by the cache itself, ready to send.

    Args:
        status: the status code.
        stored: the fields that the stored response has.
        added: those that come after them.
        body: the whole body.
        phrase: the reason phrase where it is not the usual one, else empty.
    """

    status: int
    stored: Headers
    added: Headers
    body: bytes
    phrase: bytes = b""

    @property
    def headers(self) -> Headers:
        """All its fields."""
        return self.stored + self.added


class StoredResponse(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag="response", forbid_unknown_fields=True
):
    """A complete response in the store, with all that serving it needs worked out beforehand.

    Args:
        status: the status code.
        headers: the fields to send: without hop-by-hop fields and Age, otherwise byte for byte.
        body: the whole body.
        request_time: when the request that caused it was sent on, in epoch seconds.
        response_time: when its head came back, in epoch seconds.
        initial_age: its corrected age at `response_time`, in seconds (RFC 9111, section 4.2.3).
        fresh_until: when it becomes stale, in epoch seconds.
        vary: what its request had in each field that selects it (section 4.1).
        label: the route it was computed for, so that a hit is counted as the miss was.
        tags: the groups it belongs to.
        authorized: may answer a request with Authorization (section 3.5).
        shared: the origin said that it is the same for everyone (`public` or `s-maxage`).
        explicit: its freshness is the origin's own, not a rule's or a default.
        no_cache: may not be used without validation (section 5.2.2.4).
        must_revalidate: may be used stale within its own windows at most (sections 5.2.2.2, 5.2.2.8 and 5.2.2.10).
        etag: its entity tag as sent, quotes and weakness mark included.
        last_modified: its modification date for comparisons, in epoch seconds (section 4.3.2).
        phrase: its reason phrase where it is not the usual one.
        stale_until: until when it is served stale while it is refreshed, in epoch seconds (RFC 5861, section 3).
        error_until: until when it is served stale where the origin fails, in epoch seconds (RFC 5861, section 4).
        kept_until: until when it is kept to be validated, in epoch seconds.
    """

    status: int
    headers: Headers
    body: bytes
    request_time: float
    response_time: float
    initial_age: float
    fresh_until: float
    vary: Nominated = ()
    label: str = ""
    tags: tuple[str, ...] = ()
    authorized: bool = False
    shared: bool = False
    explicit: bool = False
    no_cache: bool = False
    must_revalidate: bool = False
    etag: bytes | None = None
    last_modified: float | None = None
    phrase: bytes = b""
    stale_until: float = 0.0
    error_until: float = 0.0
    kept_until: float = 0.0

    @property
    def keep_until(self) -> float:
        """When the store may forget it, in epoch seconds."""
        return max(self.fresh_until, self.stale_until, self.error_until, self.kept_until)


class Variant(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One line of a `VariantIndex`: the field names that select a response, and the key it is stored under."""

    fields: tuple[bytes, ...]
    key: str
    keep_until: float


class VariantIndex(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag="variants", forbid_unknown_fields=True
):
    """What is stored under the primary key of a resource that varies: its variants, newest first."""

    variants: tuple[Variant, ...]

    @property
    def keep_until(self) -> float:
        """When the store may forget it, in epoch seconds: with the last of its variants."""
        return max((variant.keep_until for variant in self.variants), default=0.0)


Entry: TypeAlias = StoredResponse | VariantIndex
