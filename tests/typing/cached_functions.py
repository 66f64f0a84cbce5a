# ruff: noqa: D102, D103 - the functions here are for type checkers
"""Types of cached functions: acceptance functions.md 16. Checked by mypy and pyright in `make check`; not run.

Parameters and result are kept, `f.invalidate` and friends are known, on bound methods too, and what is wrong is told.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from cachelayer import Cache, CacheEvent, InMemoryBackend, RouteStats, StatsSnapshot, cached


@dataclass
class User:
    id: int


cache = Cache(InMemoryBackend(), default_ttl="5m")


@cached
def bare(user_id: int, *, fresh: bool = False) -> User:
    return User(user_id)


@cached(
    ttl=timedelta(minutes=1),
    key="user:{user_id}",
    tags=["user:{user_id}"],
    ignore=("fresh",),
    cache=cache,
    name="load",
    condition=lambda result: result is not None,
    cache_exceptions=(LookupError, ValueError),
    negative_ttl=5,
    lock_timeout=1.5,
    strict=True,
)
def load(user_id: int, *, fresh: bool = False) -> User | None:
    return User(user_id)


@cached(ttl=60, backend=InMemoryBackend())
async def aload(user_id: int, name: str = "") -> list[User]:
    return [User(user_id)]


@cached
async def abare(user_id: int) -> User:
    return User(user_id)


def _ttl(result: str, user_id: int) -> str | None:
    return "5s" if result else None


def _key(user_id: int) -> int:
    return user_id


@cached(ttl=_ttl, key=_key)
def by_callables(user_id: int) -> str:
    return str(user_id)


class Service:
    @cached(ttl=60)
    def method(self, x: int, y: str = "") -> bytes:
        return b""

    @cached
    async def amethod(self, x: int) -> bytes:
        return b""


service = Service()

# -- calls --------------------------------------------------------------------------------------------------------

assert_type(bare(1), User)
assert_type(bare(user_id=1, fresh=True), User)
assert_type(load(1), User | None)
assert_type(by_callables(1), str)
assert_type(service.method(1, "y"), bytes)
assert_type(Service.method(service, 1), bytes)

bare("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare(1, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
load(1, nonsense=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
service.method("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
service.method()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def calls() -> None:
    assert_type(await aload(1, name="x"), list[User])
    assert_type(await abare(1), User)
    assert_type(await service.amethod(1), bytes)
    assert_type(await Service.amethod(service, 1), bytes)
    await aload("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await service.amethod()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# -- control ------------------------------------------------------------------------------------------------------

assert_type(load.invalidate(1, fresh=True), bool)
assert_type(load.invalidate_all(), int)
assert_type(load.refresh(1), User | None)
assert_type(bare.peek(1), User | None)
assert_type(bare.set(User(1), 1, fresh=True), bool)
assert_type(bare.uncached(1), User)
assert_type(bare.key_for(1), str)
assert_type(bare.explain_key(1), dict[str, str])
assert_type(bare.stats(), RouteStats)
assert_type(bare.cache_info().hits, int)
assert_type(bare.cache_info().maxsize, int | None)
assert_type(bare.cache_parameters(), dict[str, Any])
bare.cache_clear()

bare.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare.set("user", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
bare.set(User(1))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare.key_for()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bare.nonsense()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

assert_type(service.method.invalidate(1), bool)
assert_type(service.method.refresh(1, "y"), bytes)
assert_type(service.method.peek(1), bytes | None)
assert_type(service.method.set(b"", 1), bool)
assert_type(service.method.uncached(1), bytes)
assert_type(service.method.key_for(1), str)
assert_type(service.method.stats(), RouteStats)
service.method.invalidate(service, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
service.method.set("text", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def control() -> None:
    assert_type(await aload.invalidate(1, name="x"), bool)
    assert_type(await aload.invalidate_all(), int)
    assert_type(await aload.refresh(1), list[User])
    assert_type(await aload.peek(1), list[User] | None)
    assert_type(await aload.set([User(1)], 1), bool)
    assert_type(await aload.uncached(1), list[User])
    assert_type(aload.key_for(1), str)
    assert_type(aload.stats(), RouteStats)
    assert_type(await service.amethod.invalidate(1), bool)
    assert_type(await service.amethod.peek(1), bytes | None)
    assert_type(await service.amethod.set(b"", 1), bool)
    await aload.set("text", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- as functions -------------------------------------------------------------------------------------------------


def takes(function: Callable[[int], User]) -> None: ...
def atakes(function: Callable[[int], Awaitable[User]]) -> None: ...


takes(bare)
atakes(abare)
takes(by_callables)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(list(map(by_callables, [1, 2])), list[str])

# -- options ------------------------------------------------------------------------------------------------------

cached(ttl=[1])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cached(tll=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
cached(cache=InMemoryBackend())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def listener(event: CacheEvent) -> None:
    assert_type(event.tags, tuple[str, ...])


cache.add_listener(listener)
assert_type(cache.stats(), StatsSnapshot)
assert_type(cache.stats().functions["f"].hit_rate, float)
assert_type(cache.invalidate_tags("a", "b"), int)
