"""ARC and S3-FIFO: the papers' steps, plain models, bounds with entries of any size, and what they are good for."""

# ruff: noqa: D102 - the methods of models are what they are called

import random
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachelayer import Cache, cached
from cachelayer.backends import InMemoryBackend, backend_from_url
from cachelayer.backends.policies import POLICIES
from cachelayer.backends.policies.arc import ARC
from cachelayer.backends.policies.line import Line
from cachelayer.backends.policies.s3fifo import S3FIFO
from cachelayer.backends.table_entries import NEVER, ObjectEntry, size_of
from cachelayer.errors import ConfigurationError
from cachelayer.testing import FakeClock
from cachelayer.testing.contract import BackendContract
from cachelayer.testing.crowds import in_a_child

ADAPTIVE = sorted(set(POLICIES) - {"lru"})


class PolicyContract(BackendContract):
    """The contract suite, for a store with one policy."""

    policy: ClassVar[str]

    def make_backend(self) -> InMemoryBackend:
        return InMemoryBackend(policy=self.policy, clock=self.clock)


class PolicyContractAtBounds(PolicyContract):
    """The same with little room, so that entries are evicted all the time."""

    max_value_bytes = 2_000_000

    def make_backend(self) -> InMemoryBackend:
        return InMemoryBackend(self.max_value_bytes, 2_000, self.policy, clock=self.clock)


class TestARC(PolicyContract):
    policy = "arc"


class TestARCAtItsBounds(PolicyContractAtBounds):
    policy = "arc"


class TestS3FIFO(PolicyContract):
    policy = "s3fifo"


class TestS3FIFOAtItsBounds(PolicyContractAtBounds):
    policy = "s3fifo"


def policy_of(store: InMemoryBackend) -> Any:
    """Return the store's policy."""
    return store.table._entries


def use(store: InMemoryBackend, keys: Iterable[str]) -> int:
    """Read each key, and store it where it is missing; return how many were there."""
    hits = 0
    for key in keys:
        if store.get(key) is None:
            store.set(key, b"1")
        else:
            hits += 1
    return hits


# -- the papers' steps ------------------------------------------------------------------------------------------


def test_arc_takes_the_steps_of_its_paper():
    """With room for two, each step leaves the lists T1, B1, T2, B2 and the target p as worked out by hand (18)."""
    store = InMemoryBackend(max_entries=2, policy="arc")
    policy = policy_of(store)
    steps = [
        ("a", "a", "", "", "", 0),
        ("b", "ab", "", "", "", 0),
        ("a", "b", "", "a", "", 0),  # used again
        ("c", "c", "b", "a", "", 0),
        ("b", "c", "", "b", "a", 1),  # found in B1: T1 was too short
        ("a", "", "c", "ba", "", 0),  # found in B2: T2 was too short
        ("d", "d", "c", "a", "b", 0),
        ("e", "e", "d", "a", "b", 0),  # T1 and B1 have two at most
        ("e", "", "d", "ae", "b", 0),
        ("f", "f", "d", "e", "a", 0),  # all four lists have four at most
        ("g", "g", "f", "e", "a", 0),
        ("a", "", "fg", "ea", "", 0),
    ]
    for key, *expected in steps:
        use(store, key)
        ghosts = policy._left_recent._hashes, policy._left_frequent._hashes
        lists = policy._recent, ghosts[0], policy._frequent, ghosts[1]
        names = {hash(letter): letter for letter in "abcdefg"}
        found = ["".join(names.get(item, item) for item in part) for part in lists]
        assert [*found, policy._target] == expected, key


def test_s3fifo_takes_the_steps_of_its_paper():
    """With room for four, each step leaves the small queue, the main one and the ghosts as worked out by hand (18)."""
    store = InMemoryBackend(max_entries=4, policy="s3fifo")
    policy = policy_of(store)
    steps = [
        ("a", "a", "", ""),
        ("bcd", "a", "bcd", ""),  # until it is full
        ("e", "e", "bcd", "a"),
        ("ee", "e", "bcd", "a"),
        ("f", "f", "cde", "a"),  # e was used twice and moves on, so b has to go
        ("a", "", "cdea", "f"),  # a was a ghost
        ("cg", "g", "eac", "f"),  # c was used and gets another round, d not
        ("h", "h", "eac", "fg"),
        ("hi", "i", "eac", "fgh"),  # one use is not enough
        ("j", "j", "eac", "ghi"),  # three ghosts at most, as there are entries in main
    ]
    names = {hash(letter): letter for letter in "abcdefghij"}
    for keys, *expected in steps:
        use(store, keys)
        ghosts = "".join(names[item] for item in policy._ghosts._hashes)
        assert ["".join(policy._small._keys), "".join(policy._main._keys), ghosts] == expected, keys


# -- models -----------------------------------------------------------------------------------------------------


class Model:
    """What a policy keeps, by key: `use` is a hit or an overwrite, `add` a new key."""

    def keys(self) -> set[str]:
        raise NotImplementedError

    def holds(self, key: str) -> bool:
        return key in self.keys()


class LRUModel(Model):
    """A list of keys in the order of use."""

    def __init__(self, room: int) -> None:
        self.room, self.held = room, list[str]()

    def keys(self) -> set[str]:
        return set(self.held)

    def use(self, key: str) -> None:
        self.held.remove(key)
        self.held.append(key)

    def add(self, key: str) -> None:
        if len(self.held) == self.room:
            del self.held[0]
        self.held.append(key)

    def remove(self, key: str) -> None:
        if key in self.held:
            self.held.remove(key)


class ARCModel(Model):
    """The paper's four lists, least recent first, with keys that may be removed at any time."""

    def __init__(self, room: int) -> None:
        self.room, self.p = room, 0.0
        self.t1, self.t2, self.b1, self.b2 = list[str](), list[str](), list[str](), list[str]()

    def keys(self) -> set[str]:
        return {*self.t1, *self.t2}

    def use(self, key: str) -> None:
        (self.t1 if key in self.t1 else self.t2).remove(key)
        self.t2.append(key)

    def add(self, key: str) -> None:
        if key in self.b1:
            self.p = min(self.room, self.p + max(1, len(self.b2) / len(self.b1)))
            self.b1.remove(key)
            self.replace(returned_to_frequent=False, ghosts_with_t1=self.room)
            self.t2.append(key)
        elif key in self.b2:
            self.p = max(0, self.p - max(1, len(self.b1) / len(self.b2)))
            self.b2.remove(key)
            self.replace(returned_to_frequent=True, ghosts_with_t1=self.room)
            self.t2.append(key)
        else:
            self.replace(returned_to_frequent=False, ghosts_with_t1=self.room - 1)
            self.t1.append(key)

    def replace(self, *, returned_to_frequent: bool, ghosts_with_t1: int) -> None:
        if len(self.t1) + len(self.t2) < self.room:
            return
        if self.t1 and (len(self.t1) > self.p or (returned_to_frequent and len(self.t1) == self.p)):
            self.b1.append(self.t1.pop(0))
        elif self.t2:
            self.b2.append(self.t2.pop(0))
        else:
            self.b1.append(self.t1.pop(0))
        del self.b1[: max(0, len(self.t1) + len(self.b1) - ghosts_with_t1)]
        held = len(self.t1) + len(self.t2) + len(self.b1)
        del self.b2[: max(0, held + len(self.b2) - (2 * self.room - 1))]

    def remove(self, key: str) -> None:
        for part in (self.t1, self.t2, self.b1, self.b2):
            if key in part:
                part.remove(key)


class S3FIFOModel(Model):
    """Two lists of keys and their uses, first in first; and the ghosts."""

    def __init__(self, room: int) -> None:
        self.room, self.filling = room, True
        self.small, self.main, self.ghosts = dict[str, int](), dict[str, int](), list[str]()

    def keys(self) -> set[str]:
        return {*self.small, *self.main}

    def use(self, key: str) -> None:
        queue = self.small if key in self.small else self.main
        queue[key] = min(queue[key] + 1, 3)

    def add(self, key: str) -> None:
        if len(self.keys()) == self.room:
            self.filling = False
            self.evict()
        few = len(self.small) <= len(self.keys()) / 10
        if key in self.ghosts:
            self.ghosts.remove(key)
            self.main[key] = 0
        else:
            (self.small if few or not self.filling else self.main)[key] = 0

    def evict(self) -> None:
        if len(self.small) >= max(self.room // 10, 1) or not self.main:
            while self.small:
                key = next(iter(self.small))
                if self.small.pop(key) <= 1:
                    self.ghosts.append(key)
                    del self.ghosts[: max(0, len(self.ghosts) - max(len(self.main), 1))]
                    return
                self.main[key] = 0
        while True:
            key = next(iter(self.main))
            uses = self.main.pop(key)
            if not uses:
                del self.ghosts[: max(0, len(self.ghosts) - max(len(self.main), 1))]
                return
            self.main[key] = uses - 1

    def remove(self, key: str) -> None:
        self.small.pop(key, None)
        self.main.pop(key, None)
        if key in self.ghosts:
            self.ghosts.remove(key)


MODELS: dict[str, Callable[[int], Any]] = {"lru": LRUModel, "arc": ARCModel, "s3fifo": S3FIFOModel}
STEPS = st.lists(st.tuples(st.sampled_from("gggggggsd"), st.integers(0, 30)), min_size=1, max_size=400)


@pytest.mark.parametrize("policy", MODELS)
@settings(max_examples=150, deadline=None)
@given(room=st.integers(1, 24), steps=STEPS, clear_at=st.integers(0, 1000))
def test_a_policy_evicts_what_its_model_does(
    policy: str, room: int, steps: list[tuple[str, int]], clear_at: int
):
    """After each read, write, removal and clear, the store holds the very keys that the policy's model holds (18)."""
    store, model = InMemoryBackend(max_size_bytes=None, max_entries=room, policy=policy), MODELS[policy](room)
    for at, (step, number) in enumerate(steps):
        key = str(number)
        held = model.holds(key)
        if at == clear_at:
            store.clear()
            model = MODELS[policy](room)
        elif step == "d":
            assert store.delete(key) is held
            model.remove(key)
        else:
            assert step == "s" or (store.get(key) is not None) is held
            if step == "s" or not held:
                store.set(key, b"")
            model.use(key) if held else model.add(key)
        assert {entry.key for entry in policy_of(store).values()} == model.keys()
        assert len(store.table) == len(model.keys())


# -- entries of any size ----------------------------------------------------------------------------------------


def check(store: InMemoryBackend) -> None:
    """Hold bounds, accounts and the policy's own lists against the entries."""
    table, policy = store.table, policy_of(store)
    entries = list(policy.values())
    assert len(policy) == len(entries) <= table._max_entries
    assert table.size == sum(map(size_of, entries)) <= table._max_size
    assert all(policy.get(entry.key) is entry for entry in entries)
    if isinstance(policy, ARC):
        assert not policy._recent.keys() & policy._frequent.keys()
    if isinstance(policy, S3FIFO):
        check_queues(policy)


def check_queues(policy: S3FIFO) -> None:
    """Every entry is in one queue, once; and no count is kept for long of what is not there."""
    small, main = places(policy._small), places(policy._main)
    assert sorted(small) == sorted(policy._is_small)
    assert sorted([*small, *main]) == sorted(policy._entries)
    assert len(policy._small) + len(policy._main) == len(policy)


def places(line: Line) -> list[str]:
    """Return the keys of a line, in order."""
    left = dict(line._left)
    keys = []
    for key in line._keys:
        if left.get(key):
            left[key] -= 1
        else:
            keys.append(key)
    assert not any(left.values())
    return keys


def ghosts_of(store: InMemoryBackend) -> int:
    """Return how many ghosts the policy keeps."""
    policy = policy_of(store)
    if isinstance(policy, ARC):
        return len(policy._left_recent) + len(policy._left_frequent)
    return len(policy._ghosts) if isinstance(policy, S3FIFO) else 0


def is_ghost(store: InMemoryBackend, key: str) -> bool:
    """Whether the policy remembers that the key was here."""
    policy = policy_of(store)
    if isinstance(policy, ARC):
        return key in policy._left_recent or key in policy._left_frequent
    return key in policy._ghosts


CALLS = st.lists(
    st.tuples(
        st.sampled_from(
            ["set", "set", "set", "get", "get", "get", "delete", "ttl", "touch", "tag", "dead", "wait"]
        ),
        st.sampled_from("abcdefghijklmnop"),
        st.integers(0, 50),
    ),
    max_size=150,
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=150, deadline=None)
@given(calls=CALLS, most=st.sampled_from([None, 1, 5, 12]))
def test_bounds_hold_with_entries_of_any_size(
    policy: str, calls: list[tuple[str, str, int]], most: int | None
):
    """After each call both bounds hold, the accounts are right, ghosts are few, and what is found was written (18)."""
    clock = FakeClock()
    store = InMemoryBackend(100, most, policy, clock=clock)
    written: dict[str, bytes] = {}
    at_once = 1
    for name, key, size in calls:
        value = key.encode() * size
        if name in {"set", "ttl"}:
            assert store.set(key, value, 10 if name == "ttl" else None) is True
            written[key] = value
            assert store.get_entry(key) is not None
        elif name == "get":
            assert store.get(key) in {None, written.get(key)}
        elif name == "delete":
            store.delete(key)
        elif name == "touch":
            store.touch(key, size)
        elif name == "tag":
            store.table.put(tagged(store, key, value))
            written[key] = value
        elif name == "dead":
            store.table.invalidate(["x"])
        else:
            clock.advance(size)
        check(store)
        at_once = max(at_once, len(store.table) + 1)
        assert ghosts_of(store) <= at_once


def tagged(store: InMemoryBackend, key: str, value: bytes) -> Any:
    """Return an entry under the tag `x`."""
    return ObjectEntry(key, value, NEVER, 0.0, size=len(value), tags=(store.table.tag("x"),))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("target", [0, 100], ids=["T1 short", "T1 long"])
@pytest.mark.parametrize("uses", [0, 1, 3])
@pytest.mark.parametrize("others", [0, 1, 3])
def test_an_entry_that_grows_makes_others_go(policy: str, target: int, uses: int, others: int):
    """Whichever entry would go next, the one that is written in the place of a smaller one stays (18)."""
    for growing in "abcde":
        store = InMemoryBackend(max_size_bytes=50, policy=policy)
        for key in "abcde":
            store.set(key, b"1" * 10)
        for key in "abcde":
            for _ in range(uses if key == growing else others):
                store.get(key)
        policy_of(store)._target = target  # ARC's; the others have no such thing
        old = policy_of(store).get(growing)
        gone = []
        store.table.on_evicted = gone.append
        store.set(growing, b"1" * 45)
        assert store.keys() == [growing]
        assert store.table.size == 45
        assert len(gone) == 4
        assert old not in gone
        check(store)


@pytest.mark.parametrize("policy", ADAPTIVE)
def test_one_large_entry_may_take_the_place_of_many(policy: str):
    """Entries are evicted until the bytes fit, and as many small ones come in again afterwards."""
    store = InMemoryBackend(max_size_bytes=1_000, policy=policy)
    for number in range(100):
        store.set(str(number), b"1" * 10)
    store.set("large", b"1" * 995)
    assert store.keys() == ["large"]
    assert store.get_stats().evictions == 100
    use(store, (f"again {number}" for number in range(100)))
    check(store)


def test_hits_that_go_on_all_the_while_do_not_keep_s3fifo_from_evicting(monkeypatch: pytest.MonkeyPatch):
    """Though every entry is used again as soon as its use is spent, one of them goes in the end."""

    class AlwaysUsed(dict[str, int]):
        def get(self, key: str, default: Any = None) -> Any:
            return 3

        def pop(self, key: str, default: Any = None) -> Any:
            return 3

    store = InMemoryBackend(max_entries=20, policy="s3fifo")
    use(store, map(str, range(20)))
    monkeypatch.setattr(policy_of(store), "_uses", AlwaysUsed())
    use(store, ["another"])
    assert store.get_stats().evictions == 1
    assert store.exists("another")


# -- what is remembered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ADAPTIVE)
def test_ghosts_are_bounded_by_the_entries(policy: str):
    """However many keys pass, however long they are, no more hashes are kept than there are entries."""
    store = InMemoryBackend(max_entries=50, policy=policy)
    dice = random.Random(1)
    for _ in range(5_000):
        use(store, ["key " * 10 + str(int(dice.paretovariate(0.5)) % 500)])
        assert ghosts_of(store) <= 50
    assert ghosts_of(store) > 10


@pytest.mark.parametrize("policy", ADAPTIVE)
@pytest.mark.parametrize("end", ["eviction", "delete", "expiry", "invalidation", "clear"])
def test_only_those_that_were_evicted_alive_leave_ghosts(policy: str, end: str):
    """Who was deleted, invalidated or cleared, or expired, comes back as a new one: more room had not kept it."""
    clock = FakeClock()
    store = InMemoryBackend(max_entries=40, policy=policy, clock=clock)
    use(store, map(str, range(40)))
    use(store, map(str, range(20)))
    for key in "abc":
        store.table.put(tagged(store, key, b"1"))
        store.touch(key, 60)
    if end == "delete":
        store.delete_many("abc")
    elif end == "expiry":
        clock.advance(60)  # dead, and not reclaimed yet
        assert store.table._expiry.next_due > clock()
    elif end == "invalidation":
        store.table.invalidate("x")
    elif end == "clear":
        store.clear()
    seen = set[str]()
    for number in range(40):
        use(store, [f"cold {number}"])
        seen |= {key for key in "abc" if is_ghost(store, key)}
    assert seen == (set("abc") if end == "eviction" else set())


@pytest.mark.parametrize("policy", ADAPTIVE)
def test_deleting_what_was_evicted_forgets_it(policy: str):
    """A key that is deleted after it was evicted is no ghost any more."""
    store = InMemoryBackend(max_entries=10, policy=policy)
    use(store, "abcdefghij")
    store.get("a")
    use(store, "klmnop")
    before = ghosts_of(store)
    assert before > 0
    for key in "abcdefghijklmnop":
        store.delete(key)
    assert ghosts_of(store) == 0
    check(store)


@pytest.mark.parametrize("policy", POLICIES)
def test_clear_starts_from_nothing(policy: str):
    """After a clear the store does what a new one does."""
    dice = random.Random(3)
    keys = [str(int(dice.paretovariate(0.6)) % 100) for _ in range(3_000)]
    cleared, new = (InMemoryBackend(max_entries=20, policy=policy) for _ in range(2))
    use(cleared, keys)
    cleared.clear()
    assert len(cleared.table) == ghosts_of(cleared) == 0
    assert use(cleared, keys) == use(new, keys)
    assert cleared.keys() == new.keys()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_child_has_the_policy_as_it_was(policy: str):
    """After a fork, parent and child go on alike and apart."""
    dice = random.Random(4)
    keys = [str(int(dice.paretovariate(0.6)) % 100) for _ in range(2_000)]
    store = InMemoryBackend(max_entries=20, policy=policy)
    use(store, keys)

    def child() -> tuple[int, list[str]]:
        hits = use(store, keys)
        check(store)
        return hits, store.keys()

    expected = in_a_child(child)
    assert child() == expected


def test_arc_takes_a_key_that_was_removed_for_a_new_one():
    """What is known of a key that came back, among the frequent ones, does not count after it was deleted."""
    store = InMemoryBackend(max_entries=2, policy="arc")
    use(store, "abacb")
    assert list(policy_of(store)._frequent) == ["b"]
    store.delete("b")
    store.set("b", b"1")
    assert list(policy_of(store)._recent) == ["c", "b"]


def test_arc_finds_an_entry_that_moves_between_two_looks():
    """A read that looks where the entry is not yet, and then where it is no more, looks again."""
    store = InMemoryBackend(policy="arc")
    store.set("key", b"1")
    looks = []

    class Sly(str):
        """Has the entry moved just before the second look."""

        __slots__ = ()

        def __hash__(self) -> int:
            looks.append(self)
            if len(looks) == 2:
                store.table.touch("key")
            return hash("key")

        def __eq__(self, other: object) -> bool:
            return other == "key"

    assert policy_of(store).get(Sly("key")) is not None
    assert len(looks) == 3


def test_arc_takes_the_lock_for_an_entrys_second_use_alone():
    """An entry moves under the store's lock, once; further hits take none."""

    class Watched:
        taken = 0

        def __enter__(self) -> None:
            self.taken += 1

        def __exit__(self, *exc: object) -> None:
            pass

    lock: Any = Watched()
    policy = ARC(lock)
    policy["key"] = object()
    policy.touch("key")
    assert lock.taken == 1
    policy.touch("key")
    assert lock.taken == 1
    with pytest.raises(KeyError):
        policy.touch("missing")


def test_a_line_passes_over_who_left():
    """Keys come out in the order in which they came in, those that left not at all, and those that came again late."""
    line = Line()
    for key in "abcd":
        line.push(key)
    line.leave("a")
    line.leave("c")
    line.push("a")
    line.leave("a")
    line.push("a")
    assert len(line) == 3
    assert [line.pop() for _ in range(3)] == ["b", "d", "a"]
    with pytest.raises(IndexError):
        line.pop()


def test_a_line_does_not_grow_by_who_left():
    """Places that were left are given up before they are more than those that are taken."""
    line = Line()
    line.push("first")
    for number in range(10_000):
        line.push(str(number % 7))
        line.leave(str(number % 7))
        assert len(line._keys) < 200
    assert len(line) == 1
    assert line.pop() == "first"


# -- what they are good for -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "kept"), [("lru", 0), ("arc", 50), ("s3fifo", 50)])
def test_a_scan_drives_out_what_is_in_use_under_lru_alone(policy: str, kept: int):
    """Of fifty keys that were used three times, a scan of a thousand others leaves all, or under LRU none."""
    store = InMemoryBackend(max_entries=100, policy=policy)
    hot = [f"hot {number}" for number in range(50)]
    for _ in range(4):
        use(store, hot)
    use(store, (f"scan {number}" for number in range(1_000)))
    assert sum(store.exists(key) for key in hot) == kept


@pytest.mark.parametrize(
    ("trace", "hits"),
    [
        pytest.param([*"abcd"] * 50, {"lru": 196, "arc": 196, "s3fifo": 196}, id="all fit"),
        pytest.param([*"abcde"] * 20, {"lru": 0, "arc": 0, "s3fifo": 57}, id="a loop that is one too long"),
        pytest.param([*"abcdefgh"], {"lru": 0, "arc": 0, "s3fifo": 0}, id="each once"),
        pytest.param([*"aabbccddee"], {"lru": 5, "arc": 5, "s3fifo": 5}, id="each twice"),
    ],
)
@pytest.mark.parametrize("policy", POLICIES)
def test_small_traces_have_known_hits(policy: str, trace: list[str], hits: dict[str, int]):
    """With room for four, so many of a small trace's requests are hits."""
    assert use(InMemoryBackend(max_entries=4, policy=policy), trace) == hits[policy]


@pytest.mark.parametrize("policy", POLICIES)
def test_hits_through_the_shortcut_count_as_uses(policy: str):
    """A function's hot results, whose hits never come to the store, outlive others; counters are exact (18, 27)."""
    computed = []

    cache = Cache(InMemoryBackend(max_entries=10, policy=policy))

    @cached(ttl=60, cache=cache)
    def compute(number: int) -> int:
        computed.append(number)
        return number

    for cold in range(100, 200):
        for hot in (1, 2, 3):
            assert [compute(hot), compute(hot), compute(hot)] == [hot] * 3
        compute(cold)
    assert computed == [1, 2, 3, *range(100, 200)]
    stats = cache.backend.get_stats()
    assert (stats.hits, stats.misses, stats.sets) == (900 - 3, 103, 103)
    assert stats.evictions == 103 - 10


# -- by name ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_a_url_names_the_policy(policy: str):
    """memory://?policy=... makes a store with that policy (26)."""
    with backend_from_url(f"memory://?policy={policy}&max_entries=5") as backend:
        assert isinstance(backend, InMemoryBackend)
        assert isinstance(policy_of(backend), POLICIES[policy])  # type: ignore[arg-type] # they are classes
        use(backend, "abcdefgh")
        assert len(backend.table) == 5


def test_an_unknown_policy_lists_those_there_are():
    """The error names what was given and every policy there is (26)."""
    with pytest.raises(ConfigurationError, match=r"'clock'.*\['arc', 'lru', 's3fifo'\]"):
        backend_from_url("memory://?policy=clock")
