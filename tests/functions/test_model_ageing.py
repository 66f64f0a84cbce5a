"""Cached functions that age, beside a simple model of them: acceptance functions.md 25, 26, 34, 37 to 40.

Random calls, changes of the data, hard and soft invalidations, expiry, failures, cancellations, refreshes that are
held back and let go, batches, bypassed and deferred blocks, in any order. Checked after each step: never a value from
before an invalidation that had returned, never one older than its ttl and window, each call counted exactly once, one
computation of a key at a time; and nothing is left at the end.
"""

import asyncio
import contextlib
import gc
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cachelayer import bypass, cached, deferred_invalidation
from cachelayer.flow import background
from cachelayer.outcomes import Outcome
from tests.functions.support import COLOURS, STORES, World

KEYS = st.integers(0, 2)
TTL = 10
ROUNDS = st.lists(
    st.tuples(KEYS, st.sampled_from([0, 0, 0.4, 1.1, 4, 6, 10, 11, 15, 31]), st.booleans(), st.booleans()),
    min_size=1,
    max_size=8,
)
OPTIONS = [
    {"stale_while_revalidate": 20},
    {"stale_if_error": 30},
    {"stale_while_revalidate": 5, "stale_if_error": 30},
    {"stale_while_revalidate": 20, "refresh_ahead": 0.5},
    {"stale_while_revalidate": 20, "beta": 1e9},
    {"stale_if_error": 30, "soft_timeout": 60, "hard_timeout": 60},
    {"hard_timeout": 60},
    {"stale_while_revalidate": 20, "tags": lambda result, k: [f"row:{k}", "rows"]},
    {"tags": lambda result, k: [f"row:{k}", "rows"]},
]


class Broken(Exception):  # noqa: N818
    """What the function raises where it is told to."""


class _Machine(RuleBasedStateMachine):
    """f(k) returns a version of row k and when it was read; `floor` is the least version that a call may give."""

    colour, store = "sync", "memory"

    @initialize(options=st.sampled_from(OPTIONS))
    def begin(self, options):
        self.world = World(self.colour, self.store)
        self.loop = asyncio.new_event_loop() if self.colour == "async" else None
        self.window = max(options.get("stale_while_revalidate", 0), options.get("stale_if_error", 0))
        self.rows, self.floor = dict.fromkeys(range(3), 0), dict.fromkeys(range(3), 0)
        self.stack = contextlib.ExitStack()
        self.held: list[tuple[object, object]] = []
        self.meanwhile = ""
        self.failing, self.computing, self.calls, self.batch_calls = False, [], 0, 0
        self.stack.enter_context(mock.patch.object(background.Spawn, "take", self.hold_back()))
        self.stack.enter_context(mock.patch.object(background.Spawn, "atake", self.ahold_back()))
        # Nobody here can let go of a refresh that is held back while somebody waits for it.
        tags = {"tags": ["row:{k}", "rows"], "name": "app.f", "lock_timeout": 0, **options}
        self.f = self.world.cached(ttl=TTL, **tags)(self.compute)
        name = {"cache": self.world.cache, "name": "app.g"}
        self.g = cached.batch(ttl=TTL, tags=["row:{ks}", "rows"], **name)(
            self.world.coloured(self.compute_many)
        )

    # -- the functions ----------------------------------------------------------------------------------------

    def compute(self, k):
        assert k not in self.computing, "two computations of one key at a time"
        self.computing.append(k)
        try:
            if self.failing:
                raise Broken
            result = [self.rows[k], self.world.clock()]
            self.something_happens(k)
            return result
        finally:
            self.computing.remove(k)

    def compute_many(self, ks):
        if self.failing:
            raise Broken
        result = {k: [self.rows[k], self.world.clock()] for k in ks if k != 2}
        for k in ks:
            self.something_happens(k)
        return result

    @rule(way=st.sampled_from(["rows", "row", "clear"]))
    def let_something_happen(self, way):
        """During the next computation its row will change and be invalidated: the caller may get the old one."""
        self.meanwhile = way

    def something_happens(self, k):
        way, self.meanwhile = self.meanwhile, ""
        if way:
            self.rows[k] += 1
            if way == "clear":
                self.world.cache.clear()
            else:
                self.world.cache.invalidate_tags("rows" if way == "rows" else f"row:{k}")
            self.raise_floor([k] if way == "row" else range(3))

    # -- refreshes wait until they are let go -----------------------------------------------------------------

    def hold_back(self):
        take = background.Spawn.take

        def hold_back(spawn):
            if spawn.timed:
                return take(spawn)
            self.held.append((spawn, spawn.make()))
            return True

        return hold_back

    def ahold_back(self):
        atake = background.Spawn.atake

        async def hold_back(spawn):
            if spawn.timed:
                return await atake(spawn)
            self.held.append((spawn, spawn.make()))
            return True

        return hold_back

    @rule()
    def lose(self):
        """The thread or task of the oldest refresh comes to nothing."""
        self.let_go(lost=True)

    def let_go(self, lost):
        """Let the oldest refresh run now, or come to nothing."""
        if self.held:
            spawn, flow = self.held.pop(0)
            if lost:
                flow.close()
            elif self.colour == "sync":
                background.run(flow)
            else:
                self.wait_for(background.arun(flow))
            spawn.end()

    # -- calls ------------------------------------------------------------------------------------------------

    def wait_for(self, result):
        return result if self.loop is None else self.loop.run_until_complete(result)

    def check(self, k, got, floor):
        version, read = got
        assert version >= floor[k], "older than an invalidation that had returned"
        assert self.world.clock() - read < TTL + self.window or read == self.world.clock(), "too old"
        got[:] = ["spoiled"]

    @rule(rounds=ROUNDS)
    def call(self, rounds):
        """Some calls, before each of which time may pass, the row may change, and the oldest refresh may end."""
        for k, seconds, changes, ends in rounds:
            self.world.clock.advance(seconds)
            self.rows[k] += changes
            self.calls += 1
            floor = dict(self.floor)
            try:
                got = self.wait_for(self.f(k=k) if changes else self.f(k))
            except Broken:
                assert self.failing
            else:
                self.check(k, got, floor)
            if ends:
                self.let_go(lost=False)

    @rule(ks=st.lists(KEYS, max_size=4))
    def call_many(self, ks):
        self.batch_calls += len(set(ks))
        floor = dict(self.floor)
        try:
            got = self.wait_for(self.g(ks))
        except Broken:
            assert self.failing
        else:
            assert set(got) == {k for k in ks if k != 2}
            for k, each in got.items():
                assert each[0] >= floor[k]
                assert self.world.clock() - each[1] < TTL or each[1] == self.world.clock()

    @rule(k=KEYS)
    def call_in_a_bypass(self, k):
        before = self.f.stats()
        self.meanwhile = ""
        with bypass():
            try:
                assert self.wait_for(self.f(k))[0] in {self.rows[k], self.rows[k] - 1}
            except Broken:
                assert self.failing
        assert self.f.stats() == before

    @rule(k=KEYS)
    def peek(self, k):
        got = self.wait_for(self.f.peek(k))
        if got is not None:
            assert self.world.clock() - got[1] < TTL
            self.check(k, got, self.floor)

    @rule(k=KEYS)
    def refresh(self, k):
        try:
            assert self.wait_for(self.f.refresh(k))[0] in {self.rows[k], self.rows[k] - 1}
        except Broken:
            assert self.failing

    @rule(k=KEYS)
    def set_value(self, k):
        assert self.wait_for(self.f.set([self.rows[k], self.world.clock()], k))
        self.floor[k] = self.rows[k]

    @rule(ks=st.lists(KEYS, min_size=2, max_size=6), cancelled=st.integers(0, 6))
    def call_at_the_same_time(self, ks, cancelled):
        """Tasks call at once, and one of them is cancelled."""
        if self.loop is None:
            return

        async def scenario():
            tasks = [asyncio.ensure_future(self.f(k)) for k in ks]
            await asyncio.sleep(0)
            if cancelled < len(tasks):
                tasks[cancelled].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

        floor = dict(self.floor)
        for k, got in zip(ks, self.loop.run_until_complete(scenario()), strict=True):
            # A cancelled call is nobody's lookup, unless its result was there already.
            self.calls += not isinstance(got, asyncio.CancelledError)
            if isinstance(got, list):
                self.check(k, got, floor)
            else:
                assert isinstance(got, asyncio.CancelledError) or (self.failing and isinstance(got, Broken))

    # -- what changes -----------------------------------------------------------------------------------------

    @rule(failing=st.booleans())
    def break_or_mend(self, failing):
        self.failing = failing

    def raise_floor(self, ks):
        self.floor.update({k: self.rows[k] for k in ks})

    @rule(k=KEYS)
    def invalidate(self, k):
        self.wait_for(self.f.invalidate(k))
        self.wait_for(self.g.invalidate(k))
        self.raise_floor([k])

    def everything(self, way):
        if way == "tag":
            self.world.cache.invalidate_tags("rows")
        elif way == "clear":
            self.world.cache.clear()
        else:
            self.wait_for(self.f.invalidate_all())
            self.wait_for(self.g.invalidate_all())

    @rule(way=st.sampled_from(["tag", "clear", "functions"]))
    def invalidate_everything(self, way):
        self.everything(way)
        self.raise_floor(range(3))

    @rule(k=KEYS)
    def invalidate_tag(self, k):
        self.world.cache.invalidate_tags(f"row:{k}")
        self.raise_floor([k])

    @rule(k=KEYS)
    def soften_tag(self, k):
        """What is stored becomes stale, so that the batch, which serves nothing stale, has to compute."""
        self.world.cache.invalidate_tags(f"row:{k}", soft=True)
        assert self.wait_for(self.f.peek(k)) is None
        assert self.wait_for(self.g.peek(k)) is None

    @rule(k=KEYS, way=st.sampled_from(["tag", "clear", "functions"]), fails=st.booleans())
    def invalidate_deferred(self, k, way, fails):
        """A block that succeeds invalidates at its end; one that raises leaves everything as it was."""
        before = self.wait_for(self.f.peek(k))
        with contextlib.suppress(Broken), deferred_invalidation():
            self.everything(way)
            assert self.wait_for(self.f.peek(k)) == before
            if fails:
                raise Broken
        if fails:
            assert self.wait_for(self.f.peek(k)) == before
        else:
            assert self.wait_for(self.f.peek(k)) is None
            self.raise_floor(range(3))

    # -- what always holds ------------------------------------------------------------------------------------

    @invariant()
    def every_call_is_counted_once(self):
        for function, calls in ((self.f, self.calls), (self.g, self.batch_calls)):
            stats = function.stats()
            assert stats.requests == calls
            assert sum(getattr(stats, outcome.value) for outcome in Outcome) == calls
            assert stats.bypass == stats.revalidated == 0

    @invariant()
    def what_is_under_way_is_held(self):
        assert len(self.world.cache.engine.flights) <= len(self.held)
        assert not self.world.cache.engine.flights.computing.lone

    def teardown(self):
        if not hasattr(self, "stack"):
            return
        while self.held:
            self.let_go(lost=False)
        self.stack.close()
        assert background.join(20)
        assert not background._tasks
        assert len(self.world.cache.engine.flights) == 0
        assert not self.world.cache.engine.flights.computing.lone
        if self.loop is not None:
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
        if self.store == "memory":
            self.world.cache.clear()
            table = self.world.cache.backend.table
            self.f = self.g = None
            gc.collect()
            assert not dict(table._tags)
            assert not table._condemned


def machine(colour_, store_):
    """Return the machine for one colour and kind of storage."""

    class OfOneKind(_Machine):
        colour, store = colour_, store_

    return OfOneKind


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("colour", COLOURS)
def test_it_behaves_as_the_model(colour, kind):
    """25, 26, 34, 37 to 40: whatever happens in whatever order, what always holds does, and nothing is left."""
    case = machine(colour, kind).TestCase
    case.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
    case().runTest()
