# ruff: noqa: D102, D103 - the functions here are for type checkers
"""Types of cached methods of all sorts: acceptance functions.md 12, 16. Checked by mypy and pyright; not run."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar, assert_type

from cachelayer import RouteStats, cached

T = TypeVar("T")


class Service:
    @cached
    def plain(self, x: int) -> str:
        return ""

    @cached
    @classmethod
    def above(cls, x: int) -> str:
        return ""

    @classmethod
    @cached
    def below(cls, x: int, y: str = "") -> str:
        return ""

    @cached(ttl=60)
    @classmethod
    async def async_above(cls, x: int) -> str:
        return ""

    @classmethod
    @cached(ttl=60)
    async def async_below(cls, x: int) -> str:
        return ""

    @classmethod
    @cached(ttl=60)
    def items(cls, x: int) -> Iterator[bytes]:
        yield b""

    @cached
    @classmethod
    async def async_items(cls, x: int) -> AsyncIterator[bytes]:
        yield b""

    @classmethod
    @cached.batch
    def batch(cls, ids: list[int], /, *, db: str) -> dict[int, bytes]:
        return {}

    @cached
    @staticmethod
    def static_above(x: int) -> str:
        return ""

    @staticmethod
    @cached(ttl=60)
    def static_below(x: int, y: str = "") -> str:
        return ""

    @staticmethod
    @cached(ttl=60)
    async def async_static(x: int) -> str:
        return ""

    @classmethod
    @cached
    def create(cls) -> Self:
        return cls()


class Sub(Service): ...


service = Service()

# -- class methods: bound to the class on the class, on instances and on subclasses ---------------------------------

assert_type(Service.above(1), str)
assert_type(Service.below(1, y="y"), str)
assert_type(service.above(1), str)
assert_type(service.below(1), str)
assert_type(Sub.above(1), str)
assert_type(Sub().below(1), str)
assert_type(list(Service.items(1)), list[bytes])
assert_type(Service.batch([1], db=""), dict[int, bytes])
Service.above("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Service.above(Service, 1)  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
service.below()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

assert_type(Service.above.invalidate(1), bool)
assert_type(Sub.below.invalidate(1, y=""), bool)
assert_type(service.above.peek(1), str | None)
assert_type(Service.below.set("", 1), bool)
assert_type(Service.below.refresh(1), str)
assert_type(Service.below.many([1]), list[str])
assert_type(Service.below.stats(), RouteStats)
assert_type(Service.items.peek(1), list[bytes] | None)
assert_type(Service.batch.peek(1, db=""), bytes | None)
Service.above.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Sub.below.set(1, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Service.batch.invalidate("1", db="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def class_methods() -> None:
    assert_type(await Service.async_above(1), str)
    assert_type(await service.async_below(1), str)
    assert_type(await Sub.async_above.invalidate(1), bool)
    assert_type(await Service.async_below.peek(1), str | None)
    assert_type([item async for item in Service.async_items(1)], list[bytes])
    assert_type(await Service.async_items.refresh(1), list[bytes])
    await Service.async_above("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await Sub.async_below.set(1, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- static methods -------------------------------------------------------------------------------------------------

assert_type(Service.static_above(1), str)
assert_type(Service.static_below(1, "y"), str)
assert_type(service.static_above(1), str)
assert_type(service.static_below(x=1), str)
assert_type(Service.static_above.invalidate(1), bool)
assert_type(service.static_below.peek(1), str | None)
Service.static_above("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
service.static_below()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def static_methods() -> None:
    assert_type(await Service.async_static(1), str)
    assert_type(await service.async_static.invalidate(1), bool)


# -- methods: found on the class they take the instance first -------------------------------------------------------

assert_type(Service.plain(service, 1), str)
assert_type(Service.plain.invalidate(service, 1), bool)
assert_type(service.plain.many([1, 2]), list[str])
assert_type(Service.plain.__name__, str)
Service.plain(1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
service.plain.many(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

# -- of generic classes, metaclasses, abstract classes and protocols ------------------------------------------------


class Box(Generic[T]):
    @cached
    def get(self, x: T) -> T:
        return x

    @cached
    async def aget(self, x: T) -> list[T]:
        return [x]

    @cached
    @classmethod
    def count(cls, x: int) -> int:
        return x


box = Box[int]()
assert_type(box.get(1), int)
assert_type(box.get.peek(1), int | None)
assert_type(Box.count(1), int)
box.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
box.get.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def generic() -> None:
    assert_type(await box.aget(1), list[int])
    assert_type(await box.aget.peek(1), list[int] | None)


class Meta(type):
    @cached
    def named(cls, x: int) -> str:
        return cls.__name__


class Made(metaclass=Meta): ...


# mypy looks a metaclass's descriptor up as if it were found on the metaclass.
assert_type(Made.named(1), str)  # type: ignore[call-arg, arg-type]
assert_type(Made.named.invalidate(1), bool)  # type: ignore[call-arg, arg-type]


class Base(ABC):
    @cached
    @abstractmethod
    def method(self, x: int) -> str:
        return ""


class Derived(Base):
    # pyright compares the two as attributes, with their first parameters.
    @cached
    def method(self, x: int) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return super().method(x)


assert_type(Derived().method(1), str)


class Loads(Protocol):
    def plain(self, x: int, /) -> str: ...


class Takes(Protocol):
    def __call__(self, x: int) -> str: ...


class Other(Protocol):
    def __call__(self, x: str) -> str: ...


takes: Takes = service.plain
other: Other = service.plain  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
function: Callable[[int], str] = Service.below


class Loader:
    @cached
    def __call__(self, x: int) -> str:
        return ""

    @property
    @cached
    def value(self) -> bytes:
        return b""


assert_type(Loader()(1), str)
assert_type(Loader().value, bytes)


def whatever(loader: Any) -> None:
    assert_type(Service.plain(loader, 1), str)
