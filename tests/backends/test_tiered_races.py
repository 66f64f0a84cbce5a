"""A read that brings a copy, against a change of the same key: every interleaving of their steps, driven by hand."""

import asyncio
import random
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from cachelayer.backends.generations import generation_key
from cachelayer.backends.tiered import TieredBackend
from cachelayer.backends.tiered.polling import group_of
from cachelayer.flows import Flow
from cachelayer.testing import SlowBackend
from cachelayer.testing.crowds import in_threads
from tests.backends.tiers import Polled, still

#: Two things of three moments each: it starts, the store does it, it ends.
ORDERS = [
    "".join("r" if place in reads else "w" for place in range(6)) for reads in combinations(range(6), 3)
]


@pytest.fixture
def l2(tmp_path: Path) -> Polled:
    """A shared store."""
    return Polled(tmp_path / "items.db")


@pytest.fixture
def backend(l2: Polled) -> Iterator[TieredBackend]:
    """Memory in front of it; the test does what the feed would do."""
    with still(l2) as backend:
        yield backend


def by_hand(flow: Flow[Any]) -> Iterator[None]:
    """Run a flow so that it stops before each step, after it was taken, and at its end."""
    sent: Any = None
    while True:
        try:
            step = flow.send(sent)
        except StopIteration:
            break
        yield
        sent = step.take()
        yield


def interleave(order: str, read: Iterator[None], write: Iterator[None]) -> None:
    """Let both go on by one moment in this order, and then to their ends."""
    for who in order:
        next(read if who == "r" else write, None)
    for _ in read:
        pass
    for _ in write:
        pass


def assert_true(backend: TieredBackend, l2: Polled, key: str) -> None:
    """Memory has the key's value as the store has it, or nothing."""
    copy = backend._near.get(key)
    assert copy is None or copy == l2.get(key)
    assert backend.get(key) == l2.get(key)


OWN: dict[str, tuple[Any, ...]] = {
    "set": ("set", "key", b"2", None, None),
    "remove": ("set", "key", b"2", 0, None),
    "set_many": ("set_many", {"key": b"2"}, None),
    "delete": ("delete", "key"),
    "delete_many": ("delete_many", ["key"]),
    "clear": ("clear",),
    "incr": ("incr", "key", 1),
    "touch": ("touch", "key", 0),
    "compare_and_set": ("compare_and_set", "key", b"2", {"key": b"1"}, None, None),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("change", OWN.values(), ids=OWN)
def test_a_read_and_a_change_here(backend: TieredBackend, l2: Polled, change: tuple[Any, ...], order: str):
    """Whatever comes between, memory never ends up with what the store no longer has (29)."""
    l2.set("key", b"1")
    interleave(order, by_hand(backend.flow("get", "key")), by_hand(backend.flow(*change)))
    assert_true(backend, l2, "key")


@pytest.mark.parametrize("order", ORDERS)
def test_a_read_and_an_add_here(backend: TieredBackend, l2: Polled, order: str):
    """A key that is added while it is read is not missing afterwards (4, 29)."""
    interleave(
        order, by_hand(backend.flow("get", "key")), by_hand(backend.flow("add", "key", b"2", None, None))
    )
    assert_true(backend, l2, "key")


@pytest.mark.parametrize("order", ORDERS)
def test_a_read_and_an_invalidated_tag_here(backend: TieredBackend, l2: Polled, order: str):
    """A generation that is read while it changes is no copy afterwards, unless it is the new one (29)."""
    key = generation_key("tag")
    l2.generations(["tag"])
    interleave(order, by_hand(backend.flow("get", key)), by_hand(backend.flow("bump_generations", ["tag"])))
    assert_true(backend, l2, key)


@pytest.mark.parametrize("readers", ["ab", "abc"])
def test_a_reader_is_not_taken_back(backend: TieredBackend, l2: Polled, readers: str):
    """Once somebody was told the new value, memory has not the old one, though others read it then (29)."""
    source = random.Random(1)
    for number in range(500):
        key, told = f"key {number}", set[bytes]()
        l2.set(key, b"1")
        moments = [*(3 * readers), "w"]
        source.shuffle(moments)
        parties = {name: _telling(backend, key, told) for name in readers} | {"w": _writing(l2, key)}
        for who in moments:
            next(parties[who], None)
            if b"2" in told:
                assert backend._near.get(key) in {None, b"2"}, "".join(moments)


def _telling(backend: TieredBackend, key: str, told: set[bytes]) -> Iterator[None]:
    flow = backend.flow("get", key)
    step = next(flow)
    yield
    value = step.take()
    yield
    with pytest.raises(StopIteration) as end:
        flow.send(value)
    told.add(end.value.value)


def _writing(l2: Polled, key: str) -> Iterator[None]:
    l2.set(key, b"2")  # elsewhere: no message of it has come yet
    yield


HEARD: dict[str, Callable[[TieredBackend], object]] = {
    "key": lambda backend: backend._near.drop(["key"]),
    "group": lambda backend: backend._near.drop_groups([group_of("key")]),
    "all": lambda backend: backend._near.drop_all(),
    "lost-link": lambda backend: (backend._near.shut(), backend._near.open_up()),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("hear", HEARD.values(), ids=HEARD)
def test_a_read_and_a_change_elsewhere(backend: TieredBackend, l2: Polled, hear: Any, order: str):
    """When a message about a change arrives in the middle of a read, the read brings no copy of the old value (29)."""

    def change() -> Iterator[None]:
        yield
        l2.set("key", b"2")
        yield
        hear(backend)

    l2.set("key", b"1")
    interleave(order, by_hand(backend.flow("get", "key")), change())
    backend._near.valid_until = float("inf")
    assert_true(backend, l2, "key")


@pytest.mark.parametrize("order", ORDERS)
def test_a_write_that_fails_half_way(backend: TieredBackend, l2: Polled, order: str):
    """A write that was made though the store's answer was lost leaves no old copy (29)."""

    def write() -> Iterator[None]:
        flow = backend.flow("set", "key", b"2", None, None)
        step = next(flow)
        yield
        step.take()
        yield
        with pytest.raises(ConnectionError):
            flow.throw(ConnectionError("cut"))

    l2.set("key", b"1")
    interleave(order, by_hand(backend.flow("get", "key")), write())
    assert_true(backend, l2, "key")


@pytest.mark.parametrize("stop", [1, 2])
def test_a_read_that_is_given_up_leaves_nothing_behind(backend: TieredBackend, l2: Polled, stop: int):
    """A cancelled read brings no copy, and is not waited for (29)."""
    l2.set("key", b"1")
    flow = backend.flow("get", "key")
    step = next(flow)
    step.take()
    if stop == 1:
        flow.close()
    else:
        with pytest.raises(asyncio.CancelledError):
            flow.throw(asyncio.CancelledError())
    assert backend._near.get("key") is None
    assert not backend.l1.table.computing.under_way


def test_reads_that_failed_leave_nothing_behind(l2: Polled):
    """However reads end, none is kept account of afterwards: memory does not grow with them (29)."""
    slow = SlowBackend(l2, operations=["get_entries"])
    slow.release()
    with still(slow) as backend:
        l2.set("key", b"1")
        in_threads(8, lambda number: [backend.get(f"key {number} {count}") for count in range(50)])
        computing = backend.l1.table.computing
        assert (len(computing.lone), len(computing.flying)) == (0, 0)


def test_writers_and_readers_in_threads(backend: TieredBackend, l2: Polled):
    """While threads write and read one key, no reader goes back in time; at the end all see the last value (29)."""

    def work(number: int) -> None:
        last = 0
        for count in range(1, 60):
            if number == 0:
                backend.set("key", b"%d" % count)
                assert backend.get("key") == b"%d" % count
            else:
                seen = int(backend.get("key") or b"0")
                assert seen >= last
                last = seen

    in_threads(4, work)
    assert_true(backend, l2, "key")
