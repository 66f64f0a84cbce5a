"""What a command is about: a store, by its URL, or a running application, by the API of its dashboard.

Exit codes are the same for all commands: 0 it is so, 1 the answer is no, 2 it could not be asked.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

import click
import msgspec

from cachelayer.backends.url import mask_passwords
from cachelayer.cache import Cache
from cachelayer.dashboard.access import Role, User
from cachelayer.dashboard.actions import Done, Target, target_of
from cachelayer.dashboard.messages import Refusal
from cachelayer.dashboard.sources import Source
from cachelayer.default import URL_VARIABLE
from cachelayer.durations import parse_duration
from cachelayer.errors import CacheLayerError
from cachelayer.stats.report import Report

API_VARIABLE: Final = "CACHELAYER_API"
TOKEN_VARIABLE: Final = "CACHELAYER_TOKEN"  # noqa: S105 - a variable's name
_PATIENCE: Final = 30.0


class FailureError(click.ClickException):
    """Something could not be asked: a usage error, or nobody there."""

    exit_code = 2

    def format_message(self) -> str:
        """Return the message, without passwords."""
        return mask_passwords(self.message)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask, as the options say.

    Attributes:
        backend: a store's URL.
        namespace: the cache's.
        name: the cache's.
        stats_dir: where workers share statistics that have but memory.
        api: the URL of a dashboard.
        token: for it.
    """

    backend: str | None
    namespace: str
    name: str
    stats_dir: str | None
    api: str | None
    token: str | None

    @property
    def store_url(self) -> str:
        """The store's URL, passwords included; "" where none is named."""
        return self.backend or ("" if self.stats_dir else os.environ.get(URL_VARIABLE, ""))

    @contextmanager
    def cache(self, *, entries: bool = True) -> Generator[Cache]:
        """Open the cache over the store, for the block.

        Args:
            entries: whether the command is about entries: a memory store of this process has none.
        """
        url = self.store_url or None
        if self.api is not None:
            raise FailureError("the API tells no keys and values: name the store as --backend")
        if url is None and self.stats_dir is None:
            raise FailureError(
                f"name the store as --backend or in ${URL_VARIABLE}, or a running application as --api"
            )
        options: dict[str, Any] = {"namespace": self.namespace, "name": self.name, "on_error": "raise"}
        if self.stats_dir is not None:
            options["stats_dir"] = self.stats_dir
        with failing():
            cache = Cache(url, **options)
            try:
                if not cache.backend.shared and (entries or self.stats_dir is None):
                    raise FailureError(
                        "a memory store is each process's own, and this one's is empty: ask the application by --api"
                        ", or name its stats_dir as --stats-dir for figures and purges"
                    )
                yield cache
            finally:
                cache.close()

    @contextmanager
    def figures(self) -> Generator[Figures]:
        """Open what tells figures and purges, for the block."""
        if self.api is not None:
            with failing(), _Api(self.api, self.token) as api:
                yield api
            return
        with self.cache(entries=False) as cache:
            yield _Store(cache)


class Figures(Protocol):
    """What tells figures, and purges."""

    def report(self, window: str) -> Report:
        """Return the report of a window."""
        ...

    def purge(self, target: Target, *, dry_run: bool) -> Done:
        """Purge, or say what that would do."""
        ...


class _Store:
    """By a store, with a cache of this process over it."""

    def __init__(self, cache: Cache) -> None:
        self._source = Source(cache)

    def report(self, window: str) -> Report:
        seconds = parse_duration(window, name="window")
        report = self._source.report(3600.0 if seconds is None else seconds)
        if report.scope == "degraded":
            raise FailureError("the store cannot be reached, or its statistics cannot be read")
        # This process counts nothing; it only looks.
        workers = tuple(worker for worker in report.workers if not worker.here)
        return msgspec.structs.replace(report, workers=workers)

    def purge(self, target: Target, *, dry_run: bool) -> Done:
        user = User(f"command line, {_login()}", frozenset(Role))
        return self._source.purge(target, user, dry_run=dry_run)


class _Api:
    """By the API of a dashboard."""

    def __init__(self, url: str, token: str | None) -> None:
        import httpx

        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise FailureError(f"--api {url}: give the dashboard's URL, such as https://host/cache")
        fields = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url.rstrip("/") + "/api/", headers=fields, timeout=_PATIENCE)
        self._errors = httpx.HTTPError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def report(self, window: str) -> Report:
        return msgspec.convert(self._ask("GET", "report", params={"window": window}), Report)

    def purge(self, target: Target, *, dry_run: bool) -> Done:
        # Needed unless --token is what lets us in; it is for this user alone.
        token = self._ask("GET", "session").get("csrf_token", "")
        fields = {**msgspec.to_builtins(target), "dry_run": dry_run}
        return msgspec.convert(self._ask("POST", "purge", json=fields, headers={"X-CSRF-Token": token}), Done)

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **more)
        except self._errors as error:
            raise FailureError(f"{self._http.base_url} cannot be reached: {error}") from error
        try:
            found = msgspec.json.decode(response.content, type=dict[str, Any])
        except msgspec.DecodeError:
            found = {}
        if not response.is_success or not found:
            raise FailureError(_refusal(str(self._http.base_url), response.status_code, found))
        return found


def _refusal(url: str, status: int, found: dict[str, Any]) -> str:
    said = found.get("error")
    advice = ": give a token as --token" if status == 401 else "" if said else ": is this a dashboard's URL?"
    return f"{url} answered {status}{f', {said}' if said else ''}{advice}"


@contextmanager
def failing() -> Generator[None]:
    """Turn the library's errors into the command line's, with exit code 2."""
    try:
        yield
    except Refusal as error:
        raise FailureError(error.detail) from error
    except (CacheLayerError, msgspec.ValidationError) as error:
        raise FailureError(str(error)) from error


def _login() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "somebody"


Command = Callable[..., Any]


def takes_place(function: Command) -> Command:
    """Give a command the options that name a place, as its argument `place`."""

    @functools.wraps(function)
    def command(
        *,
        backend: str | None,
        namespace: str,
        name: str,
        stats_dir: str | None,
        api: str | None,
        token: str | None,
        **rest: Any,
    ) -> Any:
        if api is not None and (backend or stats_dir):
            raise click.UsageError("--api and --backend exclude each other")
        place = Place(
            backend=backend, namespace=namespace, name=name, stats_dir=stats_dir, api=api, token=token
        )
        return function(place=place, **rest)

    options = [
        click.option("--backend", metavar="URL", help=f"The store.  [default: ${URL_VARIABLE}]"),
        click.option("--namespace", default="", help="The cache's namespace, as its Cache was told."),
        click.option("--name", default="default", show_default=True, help="The cache's name, likewise."),
        click.option("--stats-dir", metavar="DIR", help="Where workers with memory share statistics."),
        click.option("--api", metavar="URL", envvar=API_VARIABLE, help="A running application's dashboard."),
        click.option(
            "--token", envvar=TOKEN_VARIABLE, help=f"Bearer token for it; better in ${TOKEN_VARIABLE}."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


takes_json: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def checked_target(kind: str, value: str, *, soft: bool) -> Target:
    """Return what is to be purged, or raise a usage error."""
    try:
        return target_of({"kind": kind, "value": value, "soft": "true" if soft else "false"})
    except Refusal as error:
        raise click.UsageError(error.detail) from error
