"""A resilient store against a model: operations, outages and returns in any order (acceptance line 30).

After an invalidation has returned, no read in this process gives what was there before. Once the store is back and one
operation has succeeded, no other process is given it either.
"""

# ruff: noqa: D102 - the rules are named for what they do

from contextlib import ExitStack
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from cachelayer.backends.generations import generation_key, mark_key, new_generation
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.resilience import ResilientBackend, State
from cachelayer.testing import FakeClock, WrappedBackend
from cachelayer.testing.colours import in_colour

KEYS = st.sampled_from("abc")
TAGGED = "tagged"
TAG = generation_key("t")
#: The store works; it cannot be reached; it does what it is asked, and the answer is lost; its answers take turns.
MODES = ["up", "refuses", "answers nothing", "now and then"]


class Unreliable(WrappedBackend):
    """A store in one of the modes."""

    def __init__(self, inner):
        super().__init__(inner)
        self.mode, self.number = "up", count()

    def _fails(self):
        return self.mode != "up" and (self.mode != "now and then" or next(self.number) % 2)

    def _do(self, operation, call, *args):
        fails = self._fails()
        result = None if fails and self.mode == "refuses" else call(*args)
        if fails:
            raise OSError("no answer")
        return result

    async def _ado(self, operation, call, *args):
        return self._do(operation, getattr(self.inner, operation), *args)


class ResilienceModel(RuleBasedStateMachine):
    """`dead` are the values that must not be seen any more; each value is written once only."""

    replay_limit = 1000
    captured = Bundle("captured")

    def __init__(self):
        super().__init__()
        self.now = FakeClock()
        self.store = InMemoryBackend()  # as other processes see it
        self.unreliable = Unreliable(self.store)
        backend = ResilientBackend(
            self.unreliable,
            failures=2,
            clock=self.now,
            background=False,
            replay_limit=self.replay_limit,
            deadline=60,
        )
        self.backend, self.exits = backend, ExitStack()
        self.ops = [backend, self.exits.enter_context(in_colour(backend, "async"))]
        self.written: dict[str, set[bytes]] = {key: set() for key in [*"abc", TAGGED]}
        self.dead: set[bytes] = set()
        self.values = (b"%d" % number for number in count())

    def teardown(self):
        self.unreliable.mode = "up"
        self.exits.close()

    def value(self, key):
        value = next(self.values)
        self.written[key].add(value)
        return value

    def kill(self, *keys):
        for key in keys:
            self.dead |= self.written[key]

    def fence_off(self, colour, *keys):
        """Mark keys against computations elsewhere, as the engine does before it changes them."""
        for key in keys:
            self.ops[colour].compare_and_set(mark_key(key), new_generation(), {}, 3600.0)

    # -- what happens -------------------------------------------------------------------------------------------

    @rule(mode=st.sampled_from(MODES), seconds=st.sampled_from([0, 0, 1, 20]))
    def outage(self, mode, seconds):
        self.unreliable.mode = mode
        self.now.advance(seconds)

    @rule(key=KEYS)
    def another_process_writes(self, key):
        self.store.set(key, self.value(key))

    @rule(key=KEYS, target=captured)
    def another_process_computes(self, key):
        mark = mark_key(key)
        return key, self.value(key), {mark: self.store.get(mark)}

    @rule(computation=consumes(captured))
    def another_process_stores_what_it_computed(self, computation):
        key, value, fence = computation
        self.store.compare_and_set(key, value, fence)

    # -- what this process does ---------------------------------------------------------------------------------

    @rule(colour=st.integers(0, 1), key=KEYS)
    def get(self, colour, key):
        assert self.ops[colour].get(key) not in self.dead

    @rule(colour=st.integers(0, 1))
    def get_many(self, colour):
        assert not set(self.ops[colour].get_many("abc").values()) & self.dead

    @rule(colour=st.integers(0, 1), key=KEYS)
    def get_entry(self, colour, key):
        entry = self.ops[colour].get_entry(key)
        assert entry is None or entry.value not in self.dead

    @rule(colour=st.integers(0, 1), key=KEYS)
    def write(self, colour, key):
        self.fence_off(colour, key)
        before = set(self.written[key])
        value = self.value(key)
        if self.ops[colour].set(key, value):
            self.dead |= before - {value}
        else:
            self.kill(key)

    @rule(colour=st.integers(0, 1))
    def write_many(self, colour):
        self.fence_off(colour, "a", "b")
        before = {key: set(self.written[key]) for key in "ab"}
        items = {key: self.value(key) for key in "ab"}
        stored = self.ops[colour].set_many(items)
        for key, value in items.items():
            self.dead |= before[key] - {value}
        if not stored:
            self.kill(*items)

    @rule(colour=st.integers(0, 1), key=KEYS)
    def invalidate(self, colour, key):
        self.fence_off(colour, key)
        self.ops[colour].delete(key)
        self.kill(key)

    @rule(colour=st.integers(0, 1))
    def delete_many(self, colour):
        self.fence_off(colour, "a", "b")
        self.ops[colour].delete_many(["a", "b"])
        self.kill("a", "b")

    @rule(colour=st.integers(0, 1))
    def write_tagged(self, colour):
        [generation] = self.ops[colour].generations(["t"]).values()
        before = set(self.written[TAGGED])
        value = self.value(TAGGED)
        if self.ops[colour].set(TAGGED, value + b"|" + generation):
            self.dead |= before - {value}
        else:
            self.kill(TAGGED)

    @rule(colour=st.integers(0, 1))
    def read_tagged(self, colour):
        self.check_tagged(self.ops[colour].get_many([TAGGED, TAG]))

    @rule(colour=st.integers(0, 1))
    def invalidate_tag(self, colour):
        self.ops[colour].bump_generations(["t"])
        self.kill(TAGGED)

    def check_tagged(self, held):
        value, _, generation = held.get(TAGGED, b"").partition(b"|")
        if generation and held.get(TAG) == generation:
            assert value not in self.dead

    @invariant()
    def other_processes_are_given_nothing_dead_once_the_store_is_back(self):
        health = self.backend.health()
        if self.unreliable.mode != "up" or health.state is not State.CLOSED:
            return
        assert self.backend.exists("whatever") is False  # one operation that succeeds
        assert self.backend.health().pending == 0
        assert not set(self.store.get_many("abc").values()) & self.dead
        self.check_tagged(self.store.get_many([TAGGED, TAG]))


class OverflowModel(ResilienceModel):
    """With next to no room for what is pending, which then is one `clear`.

    That fences off nobody who computes elsewhere by a key's mark: such computations are left out here.
    """

    replay_limit = 2

    another_process_computes = another_process_stores_what_it_computed = None

    @rule(colour=st.integers(0, 1))
    def clear(self, colour):
        self.ops[colour].clear()
        self.kill(*"abc", TAGGED)


TestResilience = ResilienceModel.TestCase
TestOverflow = OverflowModel.TestCase
TestResilience.settings = TestOverflow.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
