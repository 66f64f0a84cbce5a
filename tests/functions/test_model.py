"""A cached function beside a simple model of it: acceptance functions.md 23, 29, 34 to 36.

Random calls, changes of the data, invalidations, expiry and failures, in any order.
"""

import copy
import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.functions.support import COLOURS, STORES, World

KEYS = st.integers(0, 3)
TTL, NEGATIVE_TTL = 10, 4


class Missing(Exception):  # noqa: N818
    pass


class _Machine(RuleBasedStateMachine):
    """Calls of f(k), whose data changes under it; `stored` is what the store must hold, and until when."""

    colour, store = "sync", "memory"

    def __init__(self):
        super().__init__()
        self.world = World(self.colour, self.store)
        self.data = dict.fromkeys(range(4), 0)
        self.stored: dict[int, tuple[object, float]] = {}
        self.computed = self.calls = 0
        negative = {"cache_exceptions": Missing, "negative_ttl": NEGATIVE_TTL}

        def body(k):
            self.computed += 1
            if self.data[k] is None:
                raise Missing(k)
            return {"value": self.data[k]}

        self.f = self.world.cached(ttl=TTL, tags=["all", "k:{k}"], **negative)(body)

    def run_(self, result):
        return self.world.run(result)

    def value(self, k):
        return "missing" if self.data[k] is None else {"value": self.data[k]}

    def expected(self, k):
        """Return what the store holds for k, None where nothing."""
        value, until = self.stored.get(k, (None, -math.inf))
        return value if until > self.world.clock() else None

    def keep(self, k, value):
        ttl = NEGATIVE_TTL if value == "missing" else TTL
        self.stored[k] = (copy.copy(value), self.world.clock() + ttl)

    def ask(self, call):
        try:
            result = self.run_(call())
        except Missing:
            return "missing"
        return result

    @rule(k=KEYS, by_keyword=st.booleans())
    def call(self, k, by_keyword):
        held, computed = self.expected(k), self.computed
        got = self.ask(lambda: self.f(k=k) if by_keyword else self.f(k))
        self.calls += 1
        assert got == (self.value(k) if held is None else held)
        assert self.computed == computed + (held is None)
        if held is None:
            self.keep(k, got)
        if isinstance(got, dict):
            got["value"] = "spoiled"

    @rule(k=KEYS, value=st.one_of(st.none(), st.integers(1, 9)))
    def change(self, k, value):
        self.data[k] = value

    @rule(seconds=st.sampled_from([0.5, 1, 3, 4, 9, 10, 11]))
    def wait(self, seconds):
        self.world.clock.advance(seconds)

    @rule(k=KEYS)
    def invalidate(self, k):
        held = self.expected(k)
        removed = self.run_(self.f.invalidate(k))
        if self.store == "memory":
            assert removed == (held is not None)
        self.stored.pop(k, None)

    @rule(k=KEYS)
    def invalidate_tag(self, k):
        self.world.cache.invalidate_tags(f"k:{k}")
        self.stored.pop(k, None)

    @rule(way=st.sampled_from(["function", "tag", "cache", "cache_clear"]))
    def invalidate_everything(self, way):
        if way == "function":
            self.run_(self.f.invalidate_all())
        elif way == "tag":
            self.world.cache.invalidate_tags("all")
        elif way == "cache":
            self.world.cache.clear()
        else:
            self.f.cache_clear()
        self.stored.clear()

    @rule(k=KEYS, value=st.integers(100, 109))
    def set_value(self, k, value):
        assert self.run_(self.f.set({"value": value}, k)) is True
        self.keep(k, {"value": value})

    @rule(k=KEYS)
    def refresh(self, k):
        got = self.ask(lambda: self.f.refresh(k))
        assert got == self.value(k)
        self.keep(k, got)

    @rule(k=KEYS)
    def uncached(self, k):
        assert self.ask(lambda: self.f.uncached(k)) == self.value(k)

    @rule(k=KEYS)
    def peek(self, k):
        computed = self.computed
        assert self.ask(lambda: self.f.peek(k)) == self.expected(k)
        assert self.computed == computed

    @precondition(lambda self: not self.world.cache.listeners)
    @rule()
    def listen(self):
        self.world.cache.add_listener(lambda event: None)

    @invariant()
    def every_call_is_counted(self):
        assert self.f.stats().requests == self.calls
        assert len(self.world.cache.engine.flights) == 0


def machine(colour_, store_):
    """Return the machine for one colour and kind of storage."""

    class OfOneKind(_Machine):
        colour, store = colour_, store_

    return OfOneKind


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("colour", COLOURS)
def test_it_behaves_as_the_model(colour, store):
    """34 to 36: whatever is called in whatever order, each call gives what the model says, and is counted."""
    case = machine(colour, store).TestCase
    case.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
    case().runTest()
