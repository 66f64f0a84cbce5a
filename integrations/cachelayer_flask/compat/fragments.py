"""Flask-Caching's `{% cache timeout, name, vary ... %}`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from cachelayer_flask.compat.calls import Call, Function, Options
from cachelayer_flask.compat.timeouts import Timeout

if TYPE_CHECKING:
    from cachelayer_flask.compat.extension import Cache

#: Where an environment has the extension that its templates use.
_ATTRIBUTE: Final = "cachelayer_flask_compat"
_DELETE: Final = "del"


def make_template_fragment_key(fragment_name: str, vary_on: Iterable[Any] | None = None) -> str:
    """Return the key that a fragment of a template is stored under."""
    parts = [str(part) for part in vary_on or ()]
    # Each with its length: ("a_b", "c") and ("a", "b_c") are two fragments.
    return f"fragment:{fragment_name}" + "".join(f":{len(part)}:{part}" for part in parts)


def install(environment: Environment, cache: Cache) -> None:
    """Let the templates of an environment use `{% cache %}`."""

    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        key, timeout, name, _ = args
        return Call(key=key, timeout=timeout, counters=cache.layer.functions.counters(f"fragment:{name}"))

    environment.extend(**{_ATTRIBUTE: Function(cache, _render, Options(), make, _tell_nobody)})
    environment.add_extension(CacheExtension)


def _render(key: str, timeout: Timeout, name: str, caller: Callable[[], str]) -> str:
    return str(caller())


def _tell_nobody(key: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, found: bool) -> None:
    """The signals are those of views and functions."""


class CacheExtension(Extension):
    """The tag: a timeout, and where they are wanted, after commas, a name and what the fragment varies on.

    The timeout None is the application's default, and "del" removes what is stored. Without a name it is that of the
    template and its line.
    """

    tags = {"cache"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """See `jinja2.ext.Extension.parse`."""
        line = next(parser.stream).lineno
        given = [parser.parse_expression()]
        while parser.stream.skip_if("comma"):
            given.append(parser.parse_expression())
        body = parser.parse_statements(("name:endcache",), drop_needle=True)
        if len(given) == 1:
            # A template that was made of a text has no name: what stands in the fragment has to do.
            place = (
                parser.name or blake2b(repr(body).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
            )
            given.append(nodes.Const(f"{place}:{line}"))
        timeout, name, *vary = given
        call = self.call_method("_fragment", [timeout, name, nodes.List(vary)])
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _fragment(self, timeout: Timeout, name: str, vary: list[Any], caller: Callable[[], str]) -> Any:
        fragments: Function = getattr(self.environment, _ATTRIBUTE)
        key = make_template_fragment_key(name, vary)
        if timeout == _DELETE:
            fragments.cache.delete(key)
            return caller()
        return fragments.call((key, timeout, name, caller), {})
