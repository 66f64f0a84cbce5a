"""The options of `@cached`, checked where they are made."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, Final, cast

from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.flow.freshness import PLAIN, Freshness
from cachelayer.values.kinds import type_of
from cachelayer.values.serializers import Serializer, check_serializer


class _NotGiven:
    """Stands for an option that was not given, which is not the same as None."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Any = _NotGiven()

#: Who computes a value that is not there: one caller in each process, or one in all that share the store.
LOCAL: Final = "local"
DISTRIBUTED: Final = "distributed"

_DURATIONS: Final = (
    "negative_ttl",
    "lock_timeout",
    "stale_while_revalidate",
    "stale_if_error",
    "soft_timeout",
    "hard_timeout",
)

Ttl = Duration | Callable[..., Duration]

#: What a result depends on beside the arguments: asked at each call.
Vary = Callable[[], Any] | ContextVar[Any]


#: Called with the result and the arguments; returns a tag, or several, or None.
TagsOf = Callable[..., str | Iterable[str] | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionOptions:
    """What `@cached` was told; see there. Durations are in seconds here.

    Raises:
        ConfigurationError: a value cannot work.
        OptionTypeError: a value is of the wrong type.
    """

    ttl: Any = NOT_GIVEN
    key: str | Callable[..., Any] | None = None
    tags: tuple[str | TagsOf, ...] = ()
    ignore: tuple[str, ...] = ()
    vary: tuple[Vary, ...] = ()
    name: str | None = None
    condition: Callable[[Any], bool] | None = None
    cache_exceptions: tuple[type[BaseException], ...] = ()
    negative_ttl: float | None = None
    lock_timeout: float | None = None
    strict: bool = False
    jitter: float = 0.0
    stale_while_revalidate: float | None = None
    stale_if_error: float | None = None
    refresh_ahead: float | None = None
    beta: float = 0.0
    soft_timeout: float | None = None
    hard_timeout: float | None = None
    lock: str = LOCAL
    batch: bool = False
    serializer: str | Serializer = "auto"

    def __post_init__(self) -> None:
        check_serializer(self.serializer)
        if self.ttl is not NOT_GIVEN and not callable(self.ttl):
            self._put("ttl", parse_duration(self.ttl))
        for name in _DURATIONS:
            self._put(name, parse_duration(getattr(self, name), name=name))
        self._put("cache_exceptions", _exceptions(self.cache_exceptions))
        self._put("vary", _vary(self.vary))
        self._put("tags", _tags(self.tags))
        self._put("ignore", _names("ignore", self.ignore))
        if self.cache_exceptions and self.negative_ttl is None:
            raise ConfigurationError(
                "cache_exceptions= needs negative_ttl=: how long such an answer may stand"
            )
        if self.negative_ttl is not None and not self.cache_exceptions:
            raise ConfigurationError("negative_ttl= needs cache_exceptions=: which exceptions may be cached")
        if self.condition is not None and not callable(self.condition):
            raise OptionTypeError(
                f"condition must be a callable of the result, not {type(self.condition).__name__}"
            )
        if self.name is not None and (not isinstance(self.name, str) or not self.name):
            raise OptionTypeError(f"name must be a text that is not empty, not {self.name!r}")

        self._check_freshness()

    def _check_freshness(self) -> None:
        _check_number("jitter", self.jitter, 0.0, math.inf)
        _check_number("beta", self.beta, 0.0, math.inf)
        if self.refresh_ahead is not None:
            _check_number("refresh_ahead", self.refresh_ahead, 0.0, 1.0)
        if self.soft_timeout is not None and self.freshness.last_resort <= 0:
            raise ConfigurationError(
                "soft_timeout= needs stale_if_error=, longer than stale_while_revalidate=: what is served at the "
                "timeout is stale, and within that window nobody waits at all"
            )
        if self.batch and (self.freshness.ages or self.lock != LOCAL):
            raise ConfigurationError(
                "@cached.batch takes no timeouts, stale windows, early refreshes or lock="
            )
        if self.batch and self.cache_exceptions:
            raise ConfigurationError(
                "@cached.batch takes no cache_exceptions=: an exception says nothing about single items"
            )
        if self.lock not in (LOCAL, DISTRIBUTED):
            raise ConfigurationError(f"lock={self.lock!r} is unknown: choose {LOCAL!r} or {DISTRIBUTED!r}")

    def check_generator(self, name: str) -> None:
        """Raise ConfigurationError where an option cannot work for the generator function of this name."""
        given = (
            option
            for option, value in (
                ("stale_if_error", self.stale_if_error),
                ("soft_timeout", self.soft_timeout),
                ("hard_timeout", self.hard_timeout),
                ("lock", self.lock if self.lock != LOCAL else None),
                ("cache_exceptions", self.cache_exceptions),
            )
            if value
        )
        option = next(given, None)
        if option is not None:
            raise ConfigurationError(
                f"{name} is a generator, whose items are given as they come: {option}= cannot work for it"
            )

    @property
    def freshness(self) -> Freshness:
        """How results age."""
        made = Freshness(
            jitter=self.jitter,
            stale_while_revalidate=self.stale_while_revalidate or 0.0,
            stale_if_error=self.stale_if_error or 0.0,
            refresh_ahead=self.refresh_ahead,
            beta=self.beta,
            soft_timeout=self.soft_timeout,
            hard_timeout=self.hard_timeout,
        )
        return PLAIN if made == PLAIN else made

    def _put(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


#: What `@cached` takes beside `cache` and `backend`.
OPTION_NAMES: Final = tuple(field.name for field in fields(FunctionOptions) if field.name != "batch")


def _names(option: str, value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise OptionTypeError(f"{option} must be a list, not one str: {option}=[{value!r}]")
    try:
        names = tuple(value)
    except TypeError:
        raise OptionTypeError(f"{option} must be a list of str, not {type(value).__name__}") from None
    for name in names:
        if not isinstance(name, str):
            raise OptionTypeError(f"{option} must be a list of str, but has {type(name).__name__} {name!r}")
    return names


def _tags(value: Any) -> tuple[str | TagsOf, ...]:
    if callable(value):
        return (cast("TagsOf", value),)
    if isinstance(value, str):
        raise OptionTypeError(f"tags must be a list, not one str: tags=[{value!r}]")
    try:
        tags = tuple(value)
    except TypeError:
        raise OptionTypeError(f"tags must be a list of str, not {type(value).__name__}") from None
    for tag in tags:
        if not isinstance(tag, str) and not callable(tag):
            raise OptionTypeError(
                f"tags must be a list of str, but has {type(tag).__name__} {tag!r}; callables of the result and the "
                f"arguments will do too"
            )
    return tags


def _vary(value: Any) -> tuple[Vary, ...]:
    several = isinstance(value, (list, tuple, set, frozenset))
    given: tuple[Any, ...] = tuple(cast("Iterable[Any]", value)) if several else (value,)
    for each in given:
        if not callable(each) and type_of(each) is not ContextVar:
            raise OptionTypeError(
                f"vary must be a ContextVar or a callable without arguments, or several: {each!r}"
            )
        if inspect.iscoroutinefunction(each):
            raise OptionTypeError(
                f"vary must be plain callables, since a key is made without awaiting anything: {each!r} is a "
                f"coroutine function"
            )
    return given


def _exceptions(value: Any) -> tuple[type[BaseException], ...]:
    kinds: tuple[Any, ...] = value if type_of(value) is tuple else (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise OptionTypeError(f"cache_exceptions must be classes of exceptions, but has {kind!r}")
    return kinds


def _check_number(name: str, value: Any, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise OptionTypeError(f"{name} must be a number, not {type(value).__name__} {value!r}")
    if not least <= value < most:
        raise ConfigurationError(f"{name}={value!r} must be at least {least:g} and below {most:g}")
