"""Who may do what: roles, and the ways to tell users apart.

Whatever tells users apart is a callable that takes the `Request` and returns a `User`, or None where it knows nobody.
`Basic` and `Bearer` are two; a framework's own users come through a function of yours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final, cast

import msgspec

from cachelayer.dashboard.messages import Request
from cachelayer.errors import ConfigurationError, OptionTypeError

_SHORTEST_SECRET: Final = 8


class Role(StrEnum):
    """What a user may do."""

    VIEW = "view"
    """See figures, labels, keys and the log."""
    PURGE = "purge"
    """Purge entries and pause routes, besides."""


class User(msgspec.Struct, frozen=True):
    """Somebody who was recognised.

    Attributes:
        name: as the audit log shows it.
        roles: what the user may do. To purge includes to view.
        session: what a token against forged requests is bound to besides the name, such as a session's key.
        ambient: whether a browser sends these credentials by itself, so that a foreign page could make it do so.
    """

    name: str
    roles: frozenset[Role] = frozenset({Role.VIEW})
    session: str = ""
    ambient: bool = True

    def may(self, role: Role) -> bool:
        """Whether the user has this role."""
        return role in self.roles or (role is Role.VIEW and Role.PURGE in self.roles)


Auth = Callable[[Request], User | None]


class Basic:
    """Names and passwords (RFC 7617), for people with a browser. Over TLS, as they travel with each request.

    Args:
        view: passwords by name, of those who may look.
        purge: passwords by name, of those who may purge too.

    Raises:
        ConfigurationError: nobody is named, somebody twice, or a password is shorter than 8 characters.
    """

    challenge: Final = 'Basic realm="cachelayer", charset="UTF-8"'

    def __init__(
        self, *, view: Mapping[str, str] | None = None, purge: Mapping[str, str] | None = None
    ) -> None:
        viewers, purgers = dict(view or {}), dict(purge or {})
        if twice := sorted(set(viewers) & set(purgers)):
            raise ConfigurationError(f"Basic has {', '.join(twice)} twice: who may purge may view, too")
        if any(":" in name or not name for name in (*viewers, *purgers)):
            raise ConfigurationError(
                "a name for Basic must not be empty nor have a colon (RFC 7617, section 2)"
            )
        self._secrets = _Secrets(
            (f"{name}:{password}", name, password, role)
            for role, people in ((Role.VIEW, viewers), (Role.PURGE, purgers))
            for name, password in people.items()
        )
        self.key = self._secrets.key

    def __call__(self, request: Request) -> User | None:
        """Return who asks."""
        scheme, _, given = request.header("authorization").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            sent = base64.b64decode(given.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
        return self._secrets.user(sent, ambient=True)


class Bearer:
    """Tokens (RFC 6750), for scripts and the command line.

    Args:
        view: tokens by the name of who has them, of those who may look; or one token.
        purge: tokens by name, or one token, of those who may purge too.

    Raises:
        ConfigurationError: there is no token, or one is shorter than 8 characters.
    """

    challenge: Final = 'Bearer realm="cachelayer"'

    def __init__(
        self, *, view: Mapping[str, str] | str | None = None, purge: Mapping[str, str] | str | None = None
    ) -> None:
        self._secrets = _Secrets(
            (token, name, token, role)
            for role, given in ((Role.VIEW, view), (Role.PURGE, purge))
            for name, token in ({f"{role} token": given} if isinstance(given, str) else given or {}).items()
        )
        self.key = self._secrets.key

    def __call__(self, request: Request) -> User | None:
        """Return who asks."""
        scheme, _, given = request.header("authorization").partition(" ")
        if scheme.lower() != "bearer":
            return None
        # A browser adds such a field only if a page's own script says so.
        return self._secrets.user(given.strip().encode("utf-8", "surrogatepass"), ambient=False)


class _Secrets:
    """Credentials as digests: none is kept as text, and a look-up takes as long whichever is right."""

    def __init__(self, credentials: Iterable[tuple[str, str, str, Role]]) -> None:
        self._users: list[tuple[bytes, User]] = []
        for whole, name, secret, role in credentials:
            if not isinstance(secret, str) or not isinstance(name, str):
                raise OptionTypeError(f"the name and the secret of {name!r} must be text")
            if len(secret) < _SHORTEST_SECRET:
                raise ConfigurationError(
                    f"the secret of {name!r} is too short: take {_SHORTEST_SECRET} characters or more, such as from "
                    "secrets.token_urlsafe()"
                )
            digest = _digest(whole.encode("utf-8", "surrogatepass"))
            session = _digest(b"session" + digest).hex()
            self._users.append((digest, User(name, frozenset({role}), session)))
        if not self._users:
            raise ConfigurationError("nobody would get in: name somebody in view= or purge=")
        #: The same in every worker, and known to nobody who does not know all the secrets.
        self.key = _digest(b"key" + b"".join(digest for digest, _ in self._users))

    def user(self, sent: bytes, *, ambient: bool) -> User | None:
        """Return whose credentials these are."""
        digest, found = _digest(sent), None
        for known, user in self._users:
            if hmac.compare_digest(known, digest):
                found = user
        return None if found is None else msgspec.structs.replace(found, ambient=ambient)


class AnyOf:
    """Several ways to tell users apart; the first that knows somebody counts."""

    def __init__(self, ways: tuple[Auth, ...]) -> None:
        self._ways = ways
        self.challenge = ", ".join(filter(None, map(challenge_of, ways)))
        keys = [getattr(way, "key", None) for way in ways]
        self.key = None if None in keys else _digest(b"".join(key for key in keys if key))

    def __call__(self, request: Request) -> User | None:
        """Return who asks."""
        return next((user for way in self._ways if (user := way(request)) is not None), None)


def check_auth(auth: object) -> Auth:
    """Return what tells users apart.

    Raises:
        ConfigurationError: nothing does.
        OptionTypeError: it is no callable.
    """
    remedy = "pass Basic(...), Bearer(...), a function from Request to User or None, or a list of such"
    if isinstance(auth, (list, tuple)):
        ways = tuple(map(check_auth, auth))  # pyright: ignore[reportUnknownArgumentType] # each is checked
        if not ways:
            raise ConfigurationError(f"auth= is empty: {remedy}")
        return ways[0] if len(ways) == 1 else AnyOf(ways)
    if auth is None:
        raise ConfigurationError(f"auth=None would let everybody purge: {remedy}")
    if isinstance(auth, type) or not callable(auth):
        raise OptionTypeError(f"auth must say who asks, and {auth!r} cannot be called: {remedy}")
    return cast(Auth, auth)  # what it takes and gives shows at the first request


def challenge_of(auth: object) -> str:
    """Return what tells a client how to authenticate; "" where it cannot by itself."""
    found: object = getattr(auth, "challenge", "")
    return found if isinstance(found, str) else ""


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32, person=b"cachelayer-dash").digest()
