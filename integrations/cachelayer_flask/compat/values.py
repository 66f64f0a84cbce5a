"""Whatever a view or function gave, as bytes for a shared store, and back.

| first byte | what follows |
|---|---|
| `t` | a plain value |
| `r` | a response: status, fields and body |
| `e` | an error page such as `abort(404)` raises: status and description |
| `p` | a pickle; only where entries are signed, since whoever can write pickles can run code |
"""

from __future__ import annotations

from typing import Any, Final

from flask import Response
from werkzeug.exceptions import HTTPException, default_exceptions

from cachelayer.errors import ConfigurationError, DecodingError, EncodingError
from cachelayer.values.kinds import type_of
from cachelayer.values.numbers import LOCAL, OWN
from cachelayer.values.serializers import unknown
from cachelayer.values.snapshot import LoadError, Snapshot
from cachelayer.values.tree import decode_tree, encode_tree, pack_plain, unpack_plain
from cachelayer.values.trusted import pickle_trusted, unpickle_trusted
from cachelayer_flask.compat.timeouts import Timeout, seconds_of


class CachedResponse(Response):
    """A response with a timeout of its own, for views under `Cache.cached`.

    Args:
        response: the response.
        timeout: seconds or a timedelta for which it is stored; None takes the decorator's.
    """

    def __init__(self, response: Response, timeout: Timeout) -> None:
        super().__init__()
        # All that the other one is, what it is to do when it is closed included.
        vars(self).update(vars(response))
        self.timeout = seconds_of(timeout)


class Values:
    """A `Serializer` of values of any kind.

    Args:
        pickles: whether to pickle what is neither plain nor a response.
    """

    name = "cachelayer_flask.compat"

    def __init__(self, *, pickles: bool) -> None:
        self.needs_signature = self._pickles = pickles

    def encode(self, value: Any, /) -> bytes:
        """Return the value as bytes, or raise EncodingError."""
        kind = type_of(value)
        if kind in _RESPONSES:
            return b"r" + _encode_response(value)
        if isinstance(value, HTTPException) and _is_plain_error(value):
            return b"e" + pack_plain([value.code, value.description])
        try:
            return b"t" + encode_tree(value)
        except EncodingError as error:
            return b"p" + self._pickled(value, error)

    def decode(self, data: bytes, /) -> Any:
        """Return the value, or raise DecodingError."""
        mark, payload = data[:1], data[1:]
        if mark == b"t":
            return decode_tree(payload)
        if mark == b"p" and self._pickles:
            return unpickle_trusted(payload)  # its signature has been verified
        try:
            if mark == b"r":
                return _decode_response(payload)
            if mark == b"e":
                return _decode_error(payload)
        except Exception as error:  # noqa: BLE001 - whatever Werkzeug makes of fields that it did not write
            raise DecodingError(f"a value that does not come back: {error!r}") from None
        raise DecodingError("a pickle, which is not read where nothing is signed")

    def _pickled(self, value: Any, error: EncodingError) -> bytes:
        if not self._pickles:
            raise EncodingError(
                f"{error}; for a shared store set SECRET_KEY: values like this one are then pickled and signed"
            ) from None
        return pickle_trusted(value)


class GivenCodec:
    """Values by `CACHE_SERIALIZER`: an object with `dumps` and `loads`. It is used in memory, too.

    Args:
        serializer: it, or its class, which is made without arguments.

    Raises:
        ConfigurationError: it is neither.
    """

    def __init__(self, serializer: Any) -> None:
        try:
            made = serializer() if isinstance(serializer, type) else serializer
        except TypeError as error:
            raise ConfigurationError(f"CACHE_SERIALIZER {serializer!r} cannot be made: {error}") from error
        self._dumps: Any = getattr(made, "dumps", None)
        self._loads: Any = getattr(made, "loads", None)
        if not callable(self._dumps) or not callable(self._loads):
            raise ConfigurationError(f"CACHE_SERIALIZER must have dumps() and loads(), unlike {serializer!r}")

    def keep(self, value: Any) -> Snapshot:
        """See `cachelayer.values.codecs.Codec`."""
        data = self.encode(value)[1]
        return Snapshot(data, self._load, None, LOCAL, len(data))

    def encode(self, value: Any) -> tuple[int, bytes]:
        """See `cachelayer.values.codecs.Codec`."""
        try:
            data = self._dumps(value)
        except Exception as error:
            raise EncodingError(f"CACHE_SERIALIZER failed: {error!r}") from error
        if not isinstance(data, (bytes, str)):
            raise EncodingError(f"CACHE_SERIALIZER gave {type(data).__name__} for {type(value).__qualname__}")
        return OWN, data if isinstance(data, bytes) else data.encode()

    def decode(self, codec: int, data: bytes) -> Any:
        """See `cachelayer.values.codecs.Codec`."""
        if codec != OWN:
            raise unknown(codec)
        return self._load(data)

    def _load(self, data: bytes) -> Any:
        try:
            return self._loads(data)
        except Exception as error:
            raise LoadError(f"CACHE_SERIALIZER failed: {error!r}") from error


_RESPONSES: Final = frozenset({Response, CachedResponse})


def _encode_response(response: Response) -> bytes:
    if response.is_streamed:
        raise EncodingError("a response that is streamed cannot be stored: call its freeze() before")
    return pack_plain([response.status, response.headers.to_wsgi_list(), response.get_data()])


def _decode_response(payload: bytes) -> Response:
    status, headers, body = unpack_plain(payload)
    return Response(body, status, [(name, value) for name, value in headers])


def _is_plain_error(error: HTTPException) -> bool:
    """Whether status and description say all there is to say."""
    code = error.code or 0
    plain = default_exceptions.get(code)
    # Some, such as 405 and 429, have more than that: their fields are what the class adds.
    return type(error) is plain and error.response is None and set(vars(error)) <= {"description", "response"}


def _decode_error(payload: bytes) -> HTTPException:
    code, description = unpack_plain(payload)
    return default_exceptions[code](description=description)
