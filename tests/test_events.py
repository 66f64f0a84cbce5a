"""Events and listeners: acceptance observability.md 5. What functions emit is tested in tests/functions."""

import logging

import msgspec
import pytest

from cachelayer import CacheEvent, EventKind, Outcome
from cachelayer.events import Listeners, log_event


def test_the_kinds_of_events():
    """Obs 5: hit, miss, stored, evicted, refreshed, invalidated, failed."""
    assert [str(kind) for kind in EventKind] == [
        "hit",
        "miss",
        "stored",
        "evicted",
        "refreshed",
        "invalidated",
        "failed",
    ]


def test_an_event_is_one_frozen_object():
    """Obs 5: keyword-only, frozen, and ready for JSON."""
    event = CacheEvent(kind=EventKind.HIT, route="app.f", key="k", outcome=Outcome.HIT, tags=("t",))
    with pytest.raises(AttributeError):
        event.route = "other"
    with pytest.raises(TypeError):
        CacheEvent(EventKind.HIT)
    assert msgspec.json.decode(msgspec.json.encode(event))["outcome"] == "hit"
    assert msgspec.json.decode(msgspec.json.encode(event), type=CacheEvent) == event


def test_listeners_are_told_in_the_order_in_which_they_came():
    """Obs 5: everybody gets the same object, once; a listener that is added twice is told twice."""
    listeners, told = Listeners(), []
    assert not listeners
    for name in ("a", "b"):
        listeners.add(lambda event, name=name: told.append((name, event)))
    event = CacheEvent(kind=EventKind.STORED)
    listeners.emit(event)
    assert [name for name, _ in told] == ["a", "b"]
    assert all(seen is event for _, seen in told)
    assert listeners


def test_a_listener_that_raises_is_logged_and_the_next_is_told(caplog):
    """Obs 5: a listener's error goes to the log `cachelayer.events`, with its traceback."""
    listeners, told = Listeners(), []

    def broken(event):
        raise ValueError("of the listener")

    listeners.add(broken)
    listeners.add(told.append)
    with caplog.at_level(logging.ERROR, logger="cachelayer.events"):
        listeners.emit(CacheEvent(kind=EventKind.MISS))
    assert len(told) == 1
    assert [record.exc_info[0] for record in caplog.records] == [ValueError]
    assert "miss" in caplog.text


def test_a_listener_that_interrupts_is_not_held_back():
    """Obs 5: KeyboardInterrupt is no error of a listener: it passes through."""
    listeners = Listeners()

    def interrupt(event):
        raise KeyboardInterrupt

    listeners.add(interrupt)
    with pytest.raises(KeyboardInterrupt):
        listeners.emit(CacheEvent(kind=EventKind.HIT))


def test_a_listener_that_adds_another_does_not_disturb_the_round():
    """Obs 5: who is added while an event is told hears the next one."""
    listeners, told = Listeners(), []

    def adding(event):
        if len(told) == 0:
            listeners.add(told.append)

    listeners.add(adding)
    listeners.emit(CacheEvent(kind=EventKind.HIT))
    assert told == []
    listeners.emit(CacheEvent(kind=EventKind.HIT))
    assert len(told) == 1


def test_events_can_be_logged(caplog):
    """Obs 5: by a listener, to `cachelayer.events`, each with its details; a failure is a warning."""
    with caplog.at_level(logging.DEBUG, logger="cachelayer.events"):
        log_event(CacheEvent(kind=EventKind.HIT, route="app.f", key="k", outcome=Outcome.HIT))
        log_event(CacheEvent(kind=EventKind.FAILED, route="app.f", reason="ValueError()"))
    told = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("cachelayer.events", "DEBUG", "hit route=app.f key=k outcome=hit"),
        ("cachelayer.events", "WARNING", "failed route=app.f reason=ValueError()"),
    ]
