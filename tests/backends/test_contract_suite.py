"""The contract suite itself: a full store that processes share passes it, and each of many faults is found by it."""

# ruff: noqa: D102 - the methods are the contract's

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from cachelayer.backends.base import BOOKKEEPING, CacheBackend, CacheStats
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.testing.contract import BackendContract
from tests.backends.shared_backend import SQLiteBackend


class TestSQLiteBackend(BackendContract):
    warns_when_not_closed = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "items.db"

    def make_backend(self) -> SQLiteBackend:
        return SQLiteBackend(self.path, clock=self.clock)

    def make_neighbour(self) -> SQLiteBackend:
        return SQLiteBackend(self.path, namespace="neighbour", clock=self.clock)

    def corrupt(self, backend: SQLiteBackend, key: str) -> bool:
        with backend._connection() as connection:
            connection.execute("UPDATE items SET value = ? WHERE name = ?", (b"rubbish", key.encode()))
        return True

    def round_trips(self, backend: SQLiteBackend) -> int:
        return backend.round_trips


# -- faults -----------------------------------------------------------------------------------------------------


class EmptyIsMissing(InMemoryBackend):
    def get(self, key):
        return super().get(key) or None


class TakesText(InMemoryBackend):
    def set(self, key, value, ttl=None, metadata=None):
        return super().set(key, value.encode() if isinstance(value, str) else value, ttl, metadata)


class WritesBeforeItChecks(InMemoryBackend):
    def set_many(self, items, ttl=None):
        return sum([self.set(key, value, ttl) for key, value in items.items()])


class MissesDuringOverwrite(InMemoryBackend):
    def set(self, key, value, ttl=None, metadata=None):
        self.delete(key)
        time.sleep(0)
        return super().set(key, value, ttl, metadata)


class AddsInTwoSteps(InMemoryBackend):
    def add(self, key, value, ttl=None, metadata=None):
        if self.exists(key):
            return False
        time.sleep(0)
        return self.set(key, value, ttl, metadata)


class DeletesAlways(InMemoryBackend):
    def delete(self, key):
        super().delete(key)
        return True


class CountsLooks(InMemoryBackend):
    def exists(self, key):
        return self.get(key) is not None


class ReturnsMissing(InMemoryBackend):
    def get_many(self, keys):
        return {key: self.get(key) for key in keys}


class ForgetsTtls(InMemoryBackend):
    def set(self, key, value, ttl=None, metadata=None):
        return super().set(key, value, None, metadata)


class RoundsTtls(InMemoryBackend):
    def set(self, key, value, ttl=None, metadata=None):
        return super().set(key, value, None if ttl is None else -(-ttl // 1), metadata)


class KeepsOldValue(InMemoryBackend):
    def set(self, key, value, ttl=None, metadata=None):
        return (ttl is None or ttl > 0) and super().set(key, value, ttl, metadata)


class ProlongsCounts(InMemoryBackend):
    def incr(self, key, delta=1):
        total = int(self.get(key) or 0) + delta
        time.sleep(0)
        self.set(key, b"%d" % total)
        return total


class StripsKeys(InMemoryBackend):
    def set(self, key, value, ttl=None, metadata=None):
        return super().set(key.strip(), value, ttl, metadata)

    def get(self, key):
        return super().get(key.strip())


class UsesRegexes(InMemoryBackend):
    def keys(self, pattern=None):
        return super().keys(pattern and pattern.replace("[!", "[^"))


class DropsMetadata(InMemoryBackend):
    def set(self, key, value, ttl=None, metadata=None):
        return super().set(key, value, ttl)


class GuessesClear(InMemoryBackend):
    def clear(self):
        super().clear()
        return 1


class ComparesInTwoSteps(InMemoryBackend):
    def compare_and_set(self, key, value, expected, ttl=None, metadata=None):
        if any(self.get(name) != old for name, old in expected.items()):
            return False
        time.sleep(0)
        return self.set(key, value, ttl, metadata)


class RepeatsGenerations(InMemoryBackend):
    def bump_generations(self, names):
        self.set_many({f"\x00cachelayer:gen:{name}": b"1" for name in names})


class FreesAnyLock(InMemoryBackend):
    def release_lease(self, name, token):
        return self.delete(f"\x00cachelayer:lock:{name}")


class StoresWithoutFence(InMemoryBackend):
    def compare_and_set(self, key, value, expected, ttl=None, metadata=None):
        seen = {name: old for name, old in expected.items() if not name.startswith(BOOKKEEPING)}
        return super().compare_and_set(key, value, seen, ttl, metadata)


class EntriesWithoutMetadata(InMemoryBackend):
    def get_entries(self, keys):
        found = super().get_entries(keys)
        return {key: dataclasses.replace(entry, metadata=None) for key, entry in found.items()}


class CountsEntries(InMemoryBackend):
    def get_entries(self, keys):
        return super().get_entries(self.get_many(keys))


class LosesCounts(InMemoryBackend):
    def __init__(self, **options):
        super().__init__(**options)
        self.hits = 0

    def get(self, key):
        before = self.hits
        time.sleep(0)
        self.hits = before + (super().get(key) is not None)
        return super().get(key)

    def get_stats(self):
        return CacheStats(hits=self.hits, misses=None, sets=None, deletes=None, current_entries=None)


class LiveStats(InMemoryBackend):
    live = None

    def get_stats(self):
        now = super().get_stats()
        self.live = self.live or now
        self.live.hits, self.live.deletes = now.hits, now.deletes
        return self.live


class ResetsItself(InMemoryBackend):
    def get_stats(self):
        stats = super().get_stats()
        stats.on_reset = None
        return stats


class ServesAfterClose(InMemoryBackend):
    def close(self):
        pass


class HoldsALock(InMemoryBackend):
    """Its lock, held by a thread that writes, is inherited locked by a child."""

    def __init__(self, **options):
        super().__init__(**options)
        self._own = threading.Lock()
        threading.Thread(target=self._own.acquire).start()

    def get(self, key):
        if not self._own.acquire(timeout=0.1):
            raise TimeoutError
        return super().get(key)


FAULTS: list[tuple[type[CacheBackend], str]] = [
    (EmptyIsMissing, "test_empty_bytes_are_a_value"),
    (WritesBeforeItChecks, "test_a_bulk_write_with_one_bad_item_writes_nothing"),
    (MissesDuringOverwrite, "test_a_key_that_is_overwritten_is_never_missing"),
    (AddsInTwoSteps, "test_add_is_atomic_among_threads"),
    (DeletesAlways, "test_deleting_twice_is_fine"),
    (CountsLooks, "test_looking_leaves_the_counters_alone"),
    (ReturnsMissing, "test_get_many_returns_what_it_found"),
    (ForgetsTtls, "test_an_entry_lives_for_its_ttl"),
    (ForgetsTtls, "test_the_space_of_expired_entries_is_reclaimed_without_reads"),
    (RoundsTtls, "test_a_ttl_may_be_a_fraction_of_a_second"),
    (ProlongsCounts, "test_incr_keeps_the_ttl"),
    (ProlongsCounts, "test_incr_is_exact_among_threads"),
    (StripsKeys, "test_keys_never_collide"),
    (DropsMetadata, "test_metadata_survives"),
    (GuessesClear, "test_clear_removes_every_entry"),
    (ComparesInTwoSteps, "test_compare_and_set_is_atomic_among_threads"),
    (RepeatsGenerations, "test_bumping_gives_a_new_generation"),
    (FreesAnyLock, "test_only_the_holder_frees_a_lock"),
    (StoresWithoutFence, "test_a_fence_stores_for_the_holder_alone"),
    (StoresWithoutFence, "test_a_holder_whose_lease_ran_out_cannot_overwrite"),
    (EntriesWithoutMetadata, "test_entries_come_many_at_once"),
    (CountsEntries, "test_looking_leaves_the_counters_alone"),
    (LosesCounts, "test_counters_are_exact_among_threads"),
    (LiveStats, "test_a_snapshot_stands_still"),
    (ResetsItself, "test_reset_zeroes_the_counters_and_keeps_the_entries"),
    (ServesAfterClose, "test_use_after_close_raises"),
]


@pytest.mark.parametrize(
    ("fault", "test"), FAULTS, ids=[f"{fault.__name__}-{test}" for fault, test in FAULTS]
)
def test_a_fault_is_found(fault: type[CacheBackend], test: str):
    """A backend with this fault fails this test of the contract."""
    contract = BackendContract()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(contract, test)(fault(clock=contract.clock))


PARAMETRIZED_FAULTS = [
    (TakesText, "test_a_value_that_is_no_bytes_is_refused", "text"),
    (KeepsOldValue, "test_a_ttl_of_zero_or_less_removes", 0),
    (DropsMetadata, "test_metadata_that_cannot_be_kept_is_refused", {"a": object()}),
    (ProlongsCounts, "test_incr_of_no_integer_raises", b"1_0"),
]


@pytest.mark.parametrize(("fault", "test", "case"), PARAMETRIZED_FAULTS)
def test_a_fault_is_found_by_a_case(fault: type[CacheBackend], test: str, case: object):
    """A backend with this fault fails this test of the contract in this case."""
    contract = BackendContract()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(contract, test)(fault(clock=contract.clock), case)


def test_a_fault_in_patterns_is_found():
    """A backend whose patterns are another dialect fails the contract."""
    contract = BackendContract()
    with pytest.raises(AssertionError):
        contract.test_keys_are_found_by_pattern(UsesRegexes(clock=contract.clock), "user:[!1]", ["user:2"])


def test_a_lock_that_a_child_inherits_is_found():
    """A backend whose lock stays locked in a forked child fails the contract."""
    contract = BackendContract()
    with pytest.raises(AssertionError, match="TimeoutError"):
        contract.test_a_forked_child_can_use_the_store(HoldsALock(clock=contract.clock), "sync")


def test_a_suite_without_backend_says_what_is_missing():
    """A subclass without make_backend is told so."""
    with pytest.raises(NotImplementedError, match="BackendContract needs a make_backend"):
        BackendContract().make_backend()
