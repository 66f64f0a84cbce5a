"""The keys of views under `Cache.cached`: the path that was asked for, and its query where that is wanted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from flask import request, url_for
from werkzeug.datastructures import MultiDict

#: A query string, a mapping, or pairs.
QueryArgs = str | Mapping[str, Any] | Iterable[tuple[str, Any]]

_PATH: Final = "%s"


class ViewKey:
    """Makes the keys of one function.

    Args:
        function: the function, not decorated.
        key_prefix: the key; "%s" in it stands for the path. Or a callable without arguments that returns it.
        query_string: whether the query is part of it, its parameters in any order.
        make_hash: returns what makes a hash, when it is needed.
        checks_source: returns whether the function's source is part of it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        key_prefix: str | Callable[[], str],
        *,
        query_string: bool,
        make_hash: Callable[[], Callable[..., Any]],
        checks_source: Callable[[], bool],
    ) -> None:
        self._function, self._prefix, self._query_string = function, key_prefix, query_string
        self._make_hash, self._checks_source = make_hash, checks_source

    @property
    def by_path(self) -> bool:
        """Whether the path that was asked for says what the key is."""
        return isinstance(self._prefix, str) and (_PATH in self._prefix or self._query_string)

    def of_request(self) -> str:
        """Return the key of the request under way."""
        query = list(request.args.items(multi=True)) if self._query_string else None
        return self._key(lambda: request.path, query)

    def of_path(self, path: str | None, query: QueryArgs | None, view_args: dict[str, Any]) -> str:
        """Return the key of a path, or of the path that the view has with these arguments."""
        pairs = None
        if self._query_string:
            pairs = list(request.args.items(multi=True)) if query is None else pairs_of(query)

        def made() -> str:
            if path is not None:
                return path
            if self._query_string:
                return request.path
            return url_for(self._function.__name__, _external=False, **view_args)

        return self._key(made, pairs)

    def _key(self, path: Callable[[], str], query: list[tuple[str, str]] | None) -> str:
        if callable(self._prefix):
            key = self._prefix()
        else:
            key = self._prefix % path() if _PATH in self._prefix else self._prefix
        parts: list[str] = [] if query is None else [str(sorted(query))]
        if self._checks_source():
            parts.append(inspect.getsource(self._function))
        if parts:
            key += self._make_hash()("".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
        return key


def pairs_of(query: QueryArgs) -> list[tuple[str, str]]:
    """Return a query as pairs of text."""
    if isinstance(query, str):
        return parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    # What is no mapping are pairs already.
    given: Any = query
    if isinstance(query, MultiDict):
        given = cast(Any, query).items(multi=True)
    elif isinstance(query, Mapping):
        given = cast(Any, query).items()
    return [(name, str(value)) for name, value in given]
