"""Against requests that a foreign page makes a user's browser send."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from cachelayer.dashboard.access import User
from cachelayer.dashboard.messages import Refusal, Request
from cachelayer.errors import ConfigurationError, OptionTypeError

#: Seconds for which a token is good; each page and each report brings a new one.
LIFETIME: Final = 12 * 3600
FIELD: Final = "csrf_token"
HEADER: Final = "x-csrf-token"
_SHORTEST_KEY: Final = 16


class Forgeries:
    """Makes and checks the tokens that prove that a request was made by this dashboard's own page.

    Args:
        key: what the tokens are signed with: the same in all workers.
        origins: further origins ("https://host") that may act, where a proxy changes the Host field.
        clock: returns epoch seconds.
    """

    def __init__(
        self, key: bytes, origins: Iterable[str] = (), clock: Callable[[], float] = time.time
    ) -> None:
        self._key, self._origins, self._clock = key, frozenset(map(_check_origin, origins)), clock

    def token(self, user: User) -> str:
        """Return a token that is good for this user, for `LIFETIME` seconds."""
        return self._sign(user, int(self._clock()))

    def check(self, request: Request, user: User, sent: str) -> None:
        """Raise Refusal (403) unless the dashboard's own page, or no page at all, sent this request."""
        self._check_site(request)
        if user.ambient and not self._is_good(user, request.header(HEADER) or sent):
            raise Refusal(403, f"{FIELD} is missing, wrong or too old: load the page again")

    def _check_site(self, request: Request) -> None:
        site = request.header("sec-fetch-site")
        if site not in {"", "same-origin", "none"}:
            raise Refusal(403, "another site sent this request")
        origin = request.header("origin")
        if origin and origin not in self._origins and not _is_of(origin, request.header("host")):
            raise Refusal(403, "another origin sent this request: name it in origins= if it is a proxy's")

    def _is_good(self, user: User, token: str) -> bool:
        issued, _, _ = token.partition(".")
        if not (issued.isascii() and issued.isdecimal()) or len(issued) > 12:
            return False
        age = self._clock() - int(issued)
        good = hmac.compare_digest(self._sign(user, int(issued)).encode(), token.encode("utf-8", "replace"))
        return good and -60 <= age <= LIFETIME

    def _sign(self, user: User, issued: int) -> str:
        parts = (user.name, user.session, str(issued))
        message = "".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")
        return f"{issued}.{hmac.new(self._key, message, hashlib.sha256).hexdigest()}"


def make_key(secret_key: object, auth: object) -> bytes:
    """Return the key for tokens: made of `secret_key`, else of the credentials that `auth` holds.

    Raises:
        ConfigurationError: there is neither, or it is too short.
        OptionTypeError: it is no text.
    """
    if secret_key is None:
        own: object = getattr(auth, "key", None)
        if isinstance(own, bytes):
            return own
        raise ConfigurationError(
            "secret_key= is missing: with a function as auth=, give a text of 16 characters or more that is the same "
            "in every worker; it signs the tokens against forged requests"
        )
    if not isinstance(secret_key, (str, bytes)):
        raise OptionTypeError(f"secret_key must be text or bytes, not {type(secret_key).__name__}")
    given = secret_key.encode() if isinstance(secret_key, str) else secret_key
    if len(given) < _SHORTEST_KEY:
        raise ConfigurationError(f"secret_key is too short: take {_SHORTEST_KEY} characters or more")
    return hashlib.sha256(b"cachelayer dashboard" + given).digest()


def _check_origin(origin: object) -> str:
    parts = urlsplit(origin) if isinstance(origin, str) else None
    if parts is None or not (parts.scheme and parts.netloc) or parts.path:
        raise ConfigurationError(f"origins= has {origin!r}: an origin is such as 'https://example.org'")
    return str(origin)


def _is_of(origin: str, host: str) -> bool:
    """Whether an origin is that of the host that was asked."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and parts.netloc.lower() == host.lower()
