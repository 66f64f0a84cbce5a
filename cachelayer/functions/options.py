"""The options of `@cached`, checked where they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.values.kinds import type_of


class _NotGiven:
    """Stands for an option that was not given, which is not the same as None."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Any = _NotGiven()

Ttl = Duration | Callable[..., Duration]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionOptions:
    """What `@cached` was told; see there. Durations are in seconds here.

    Raises:
        ConfigurationError: a value cannot work.
        OptionTypeError: a value is of the wrong type.
    """

    ttl: Any = NOT_GIVEN
    key: str | Callable[..., Any] | None = None
    tags: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    name: str | None = None
    condition: Callable[[Any], bool] | None = None
    cache_exceptions: tuple[type[BaseException], ...] = ()
    negative_ttl: float | None = None
    lock_timeout: float | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.ttl is not NOT_GIVEN and not callable(self.ttl):
            self._put("ttl", parse_duration(self.ttl))
        self._put("negative_ttl", parse_duration(self.negative_ttl, name="negative_ttl"))
        self._put("lock_timeout", parse_duration(self.lock_timeout, name="lock_timeout"))
        self._put("cache_exceptions", _exceptions(self.cache_exceptions))
        for name in ("tags", "ignore"):
            self._put(name, _names(name, getattr(self, name)))
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

    def _put(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


#: What `@cached` takes beside `cache` and `backend`.
OPTION_NAMES: Final = tuple(field.name for field in fields(FunctionOptions))


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


def _exceptions(value: Any) -> tuple[type[BaseException], ...]:
    kinds: tuple[Any, ...] = value if type_of(value) is tuple else (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise OptionTypeError(f"cache_exceptions must be classes of exceptions, but has {kind!r}")
    return kinds
