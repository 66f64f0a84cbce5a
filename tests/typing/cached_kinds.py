# ruff: noqa: D102, D103 - the functions here are for type checkers
"""Types of cached generators, batch functions and signatures of all sorts: functions.md 16, 17, 37.

Checked by mypy and pyright; not run.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar, assert_type, overload

from cachelayer import cached

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

# -- generators: calls give runs, verbs lists of items --------------------------------------------------------------


@cached
def generator(x: int) -> Generator[bytes, None, str]:
    yield b""
    return ""


@cached(ttl=60)
def iterator(x: int) -> Iterator[bytes]:
    yield b""


@cached
def iterable(x: int) -> Iterable[bytes]:
    yield b""


@cached
async def async_generator(x: int) -> AsyncGenerator[bytes, None]:
    yield b""


@cached(ttl=60)
async def async_iterator(x: int) -> AsyncIterator[bytes]:
    yield b""


@cached
async def async_iterable(x: int) -> AsyncIterable[bytes]:
    yield b""


class Letters:
    @cached
    def items(self, x: int) -> Iterator[bytes]:
        yield b""

    @cached
    async def aitems(self, x: int) -> AsyncIterator[bytes]:
        yield b""


letters = Letters()

assert_type(generator(1), Generator[bytes, None, Any])
assert_type(iterator(1), Generator[bytes, None, Any])
assert_type(iterable(1), Iterable[bytes])
assert_type(letters.items(1), Generator[bytes, None, Any])
assert_type(generator.peek(1), list[bytes] | None)
assert_type(generator.set([b""], 1), bool)
assert_type(iterator.refresh(1), list[bytes])
assert_type(iterator.uncached(1), list[bytes])
assert_type(iterator.many([1, 2]), list[list[bytes]])
assert_type(iterator.invalidate(1), bool)
assert_type(iterable.peek(1), Iterable[bytes] | None)
assert_type(letters.items.peek(1), list[bytes] | None)
assert_type(letters.items.many([1]), list[list[bytes]])
generator("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
iterator.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
iterator.set([1], 1)  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
letters.items.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_generators() -> None:
    assert_type(async_generator(1), AsyncGenerator[bytes, None])
    assert_type(async_iterator(1), AsyncGenerator[bytes, None])
    assert_type([item async for item in async_iterable(1)], list[bytes])
    assert_type([item async for item in letters.aitems(1)], list[bytes])
    assert_type(await async_iterator.peek(1), list[bytes] | None)
    assert_type(await async_iterator.invalidate(1), bool)
    assert_type(await async_iterable.refresh(1), list[bytes])
    assert_type(await async_iterator.uncached(1), list[bytes])
    assert_type(await async_generator.many([1]), list[list[bytes]])
    assert_type(await letters.aitems.set([b""], 1), bool)
    await async_iterator.set([1], 1)  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await letters.aitems.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- batch functions: calls are the function's own, verbs take an item ------------------------------------------------


@cached.batch
def by_mapping(ids: Iterable[int], /, db: str = "", *, fresh: bool = False) -> dict[int, bytes]:
    return {}


@cached.batch(ttl=60, tags=["user:{ids}"], jitter=0.1, name="batch")
def by_list(ids: Sequence[int], db: str) -> list[bytes | None]:
    return []


@cached.batch(ttl=60)
async def async_batch(ids: list[int], db: str = "") -> Mapping[int, bytes]:
    return {}


class Users:
    @cached.batch
    def load(self, ids: list[int], db: str = "") -> dict[int, bytes]:
        return {}

    @cached.batch(ttl=60)
    async def aload(self, ids: list[int]) -> dict[int, bytes]:
        return {}


users = Users()

assert_type(by_mapping([1, 2], "db", fresh=True), dict[int, bytes])
assert_type(by_list(ids=[1], db=""), list[bytes | None])
assert_type(by_list.uncached([1], ""), list[bytes | None])
assert_type(users.load([1], db=""), dict[int, bytes])
assert_type(Users.load(users, [1]), dict[int, bytes])
by_mapping(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
by_mapping(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
by_list([1])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

assert_type(by_mapping.invalidate(1, "db", fresh=True), bool)
assert_type(by_mapping.peek(1), bytes | None)
assert_type(by_mapping.refresh(1), bytes)
assert_type(by_mapping.set(b"", 1), bool)
assert_type(by_mapping.key_for(1), str)
assert_type(by_mapping.explain_key(1), dict[str, str])
assert_type(by_mapping.many([1, 2]), list[bytes])
assert_type(by_mapping.invalidate_all(), int)
assert_type(by_list.refresh(1, db=""), bytes | None)
assert_type(by_list.set(None, 1, ""), bool)
assert_type(users.load.peek(1), bytes | None)
assert_type(users.load.invalidate(1, db=""), bool)
by_mapping.invalidate([1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
by_mapping.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
by_list.peek(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
users.load.invalidate([1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cached.batch(lock="distributed")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def async_batches() -> None:
    assert_type(await async_batch([1]), Mapping[int, bytes])
    assert_type(await async_batch.peek(1), bytes | None)
    assert_type(await async_batch.invalidate(1, db=""), bool)
    assert_type(await async_batch.many([1]), list[bytes])
    assert_type(async_batch.key_for(1), str)
    assert_type(await users.aload([1]), dict[int, bytes])
    assert_type(await users.aload.refresh(1), bytes)
    await async_batch.invalidate([1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await users.aload.set("", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- many -------------------------------------------------------------------------------------------------------------


@cached
def positional(x: int, /, y: str = "", *rest: float, z: bytes = b"", **more: bool) -> list[int]:
    return [x]


@cached
def keywords(*, x: int) -> int:
    return x


@cached
async def coroutine(x: int, y: str = "") -> list[int]:
    return [x]


assert_type(positional.many([1], "y", z=b""), list[list[int]])
positional.many(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
positional.many([1], 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
positional.many(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_many() -> None:
    assert_type(await coroutine.many([1], y=""), list[list[int]])
    await coroutine.many(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


# -- signatures -------------------------------------------------------------------------------------------------------

assert_type(positional(1, "y", 1.0, 2.0, z=b"", more=True), list[int])
assert_type(positional.invalidate(1, "y", 1.0, more=True), bool)
assert_type(keywords(x=1), int)
assert_type(keywords.peek(x=1), int | None)
positional(x=1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
positional(1, more=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
keywords(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
keywords.invalidate(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@cached
def generic(x: T, *more: T) -> list[T]:
    return [x, *more]


assert_type(generic(1), list[int])
assert_type(generic("a", "b"), list[str])
assert_type(generic.invalidate(1), bool)


@overload
def overloaded(x: int) -> int: ...
@overload
def overloaded(x: str) -> str: ...
def overloaded(x: int | str) -> int | str:
    return x


@cached
def once(x: int | str) -> int | str:
    return overloaded(x)


# A decorator's type cannot keep several signatures: of an overloaded function, cache a function that calls it.
assert_type(once(1), int | str)

assert_type(partial(coroutine, 1)().__class__.__name__, str)
bound_partial = partial(positional, 1)
assert_type(bound_partial("y"), list[int])
partial(positional, "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def decorate(function: Callable[P, R]) -> Callable[P, R]:
    return function


def without_first(function: Callable[Concatenate[int, P], R]) -> Callable[P, R]:
    return lambda *args, **kwargs: function(1, *args, **kwargs)


assert_type(decorate(keywords)(x=1), int)
assert_type(without_first(positional)("y"), list[int])
awaits: Callable[[int], Awaitable[list[int]]] = coroutine


@cached
@decorate
def decorated(x: int) -> str:
    return ""


assert_type(decorated.invalidate(1), bool)

# -- options ----------------------------------------------------------------------------------------------------------

language: ContextVar[str] = ContextVar("language")


def current() -> str:
    return ""


def lifetime(result: bytes, x: int) -> timedelta | None:
    return None


def worth_it(result: bytes) -> bool:
    return True


def with_parameter(x: int) -> str:
    return ""


@cached(ttl=lifetime, vary=[language, current], condition=worth_it)
def with_options(x: int) -> bytes:
    return b""


assert_type(with_options(1), bytes)
cached(vary=language)
cached(vary=current)
cached(vary="language")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cached(vary=with_parameter)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cached(condition=current)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cached(ttl=with_parameter, key=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


# Where nothing is known of the result, it is taken for a sync function; to mypy the cached function itself is Any then.
@cached
def anything(x: int) -> Any:
    return x


anything(1)
anything.invalidate(1)
