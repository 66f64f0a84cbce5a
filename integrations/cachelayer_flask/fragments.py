"""`{% cache "sidebar", ttl="5m", vary=[user.id], tags=["posts"] %} ... {% endcache %}`: a cached part of a template."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Flask, current_app
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from cachelayer import Cache
from cachelayer.backends.null import NullBackend
from cachelayer.context import is_bypassed
from cachelayer.durations import parse_duration
from cachelayer.errors import KeyingError, OptionTypeError
from cachelayer.flow.lookups import Lookup, Policy
from cachelayer.flows import run
from cachelayer.functions.encoding import UnkeyableError, encode
from cachelayer.functions.options import NOT_GIVEN
from cachelayer.http import Reason
from cachelayer.outcomes import Outcome
from cachelayer.values.codecs import ValueCodec
from cachelayer_flask.privacy import watch_session

_TAG: Final = "cache"
_OPTIONS: Final = ("ttl", "vary", "tags")
#: Seconds to wait for who renders the same fragment, before rendering it by oneself.
_PATIENCE: Final = 30.0
_CODEC: Final = ValueCodec(serializer="raw")


def install(app: Flask) -> None:
    """Let an application's templates use the tag, unless another extension has one of that name."""
    if "jinja_env" in vars(app):
        environment = app.jinja_env
        if not any(_TAG in extension.tags for extension in environment.extensions.values()):
            environment.add_extension(FragmentExtension)
    else:
        # As long as nobody has used it, it can still be told what it is to be like.
        options = app.jinja_options
        app.jinja_options = {**options, "extensions": [*options.get("extensions", ()), FragmentExtension]}


class FragmentExtension(Extension):
    """The tag.

    A name, and by keyword: `ttl`, as everywhere; `vary`, a list of all that the fragment depends on beside its name;
    `tags`, for `invalidate_tags`. Fragments of one name and `vary` are one fragment, in whatever templates they stand.
    """

    tags = {_TAG}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """See `jinja2.ext.Extension.parse`."""
        line = next(parser.stream).lineno
        name, given = parser.parse_expression(), dict[str, nodes.Expr]()
        while parser.stream.skip_if("comma"):
            token = parser.stream.expect("name")
            if token.value not in _OPTIONS or token.value in given:
                parser.fail(f"the tag takes a name, and then {', '.join(_OPTIONS)}, once each", token.lineno)
            parser.stream.expect("assign")
            given[token.value] = parser.parse_expression()
        body = parser.parse_statements(("name:endcache",), drop_needle=True)
        options = [nodes.Keyword(option, value) for option, value in given.items()]
        call = self.call_method("_fragment", [name], options)
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _fragment(
        self,
        name: str,
        *,
        caller: Callable[[], str],
        ttl: Any = NOT_GIVEN,
        vary: Iterable[Any] = (),
        tags: Iterable[str] = (),
    ) -> str:
        cache: Cache = current_app.extensions["cachelayer"]
        if is_bypassed() or isinstance(cache.backend, NullBackend):
            return str(caller())
        parts = _listed("vary", vary)

        def render() -> str:
            with watch_session() as watch:
                text = str(caller())
            if watch.used_session and not parts:
                raise _OwnVisitorsError(render, text)
            return text

        lookup = Lookup(
            cache.key(f"fragment:{_text(name, parts)}"),
            cache.tag_names(_listed("tags", tags)),
            Policy(
                f"fragment:{name}",
                _CODEC,
                cache.default_ttl if ttl is NOT_GIVEN else parse_duration(ttl),
                lock_timeout=_PATIENCE,
            ),
            render,
            (),
            {},
        )
        result = run(cache.engine.get_or_compute(lookup))
        counters = cache.functions.counters(lookup.policy.label)
        if isinstance(result.error, _OwnVisitorsError):
            counters.record(Outcome.UNCACHEABLE, seconds=result.seconds, reason=Reason.SESSION_COOKIE)
            # Another visitor's, if this caller waited for it: it must not get that one.
            return result.error.text if result.error.render is render else str(caller())
        counters.record(result.outcome, seconds=result.seconds, reason=result.reason)
        return str(result.give())


class _OwnVisitorsError(Exception):
    """A fragment has used the session, such as for a CSRF token or a message, and does not say what it varies on."""

    def __init__(self, render: Callable[[], str], text: str) -> None:
        super().__init__("a fragment used the session")
        self.render, self.text = render, text


def _text(name: str, vary: tuple[Any, ...]) -> str:
    try:
        return encode((name, vary))
    except UnkeyableError as error:
        raise KeyingError(
            f"vary of the fragment {name!r} cannot be told from others: {error}; name what it holds that can, such "
            f"as an id"
        ) from None


def _listed(option: str, value: Iterable[Any]) -> tuple[Any, ...]:
    if isinstance(value, str):
        raise OptionTypeError(f"{option} of a fragment must be a list, not one text: {option}=[{value!r}]")
    return tuple(value)
