"""Requests that wait for each other: http.md, point 17; and alice and bob of security.md."""

import asyncio
import os

import pytest

from cachelayer import Cache
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.http import Rule
from cachelayer.testing import FakeClock
from cachelayer.testing.crowds import in_processes
from tests.asgi.support import Server, body, scope, start
from tests.functions.support import Background, auntil, until
from tests.functions.test_distributed import Log
from tests.servers.processes import wait_until
from tests.shells import SHELLS, Reply, Site, numbered

FRESH = "Cache-Control: max-age=60"
CROWD = [("/a",)] * 100


def bodies(answers):
    """Return the different bodies of answers that are all whole."""
    assert {(answer.status, answer.error) for answer in answers} == {(200, None)}
    return {answer.body for answer in answers}


def test_a_hundred_misses_call_the_application_once(any_site):
    """They all get what it gave to one of them [http 17]."""
    it = any_site(lambda asked: Reply([FRESH], b"%d" % it.calls, when=lambda: it.waiting == 99))
    answers = it.crowd(*CROWD)
    assert bodies(answers) == {b"1"}
    assert it.calls == 1
    assert it.counts() == {"miss": 1, "collapsed": 99}
    assert sorted({answer.status_field for answer in answers}) == [
        "cachelayer; fwd=uri-miss; collapsed; ttl=60",
        "cachelayer; fwd=uri-miss; stored",
    ]


def test_a_hundred_revalidations_ask_the_application_once(any_site):
    """One has it confirmed for all [http 13, 17]."""

    def origin(asked):
        if "if-none-match" not in asked.headers:
            return Reply([FRESH, 'ETag: "v"'], b"body")
        return Reply([FRESH, 'ETag: "v"'], b"", 304, when=lambda: it.waiting == 99)

    it = any_site(origin)
    it.get()
    it.clock.advance(61)
    assert bodies(it.crowd(*CROWD)) == {b"body"}
    assert it.counts() == {"miss": 1, "revalidated": 1, "collapsed": 99}


def test_those_who_wait_are_answered_as_they_asked(site):
    """A part, or that they have it [http 12, 17]."""
    it = site(lambda asked: Reply([FRESH, 'ETag: "v"'], b"body", when=lambda: it.waiting == 2))
    has_it = ("/a", 'If-None-Match: "v"')
    answers = it.crowd(("/a",), has_it, has_it)
    # Whoever comes first gets what the application gives.
    assert sorted(answer.status for answer in answers)[1:] in ([200, 304], [304, 304])
    assert it.calls == 1


@pytest.mark.parametrize(
    "lines",
    [
        ["Cache-Control: private"],
        ["Cache-Control: no-store"],
        [],
        [FRESH, "Set-Cookie: a=b"],
        [FRESH, "Vary: *"],
    ],
    ids=["private", "no-store", "silent", "a cookie", "varies by all"],
)
def test_what_is_not_to_be_shared_is_not_given_to_those_who_waited(any_site, lines):
    """They go to the application, all at the same time; and who comes next does not wait [http 17]."""
    everybody = 11

    def origin(asked):
        if it.calls == 1:
            return Reply(lines, b"1", when=lambda: it.waiting == 10)
        # None of the others begins before all have come: they do not queue.
        return Reply(lines, b"%d" % it.calls, when=lambda: it.calls >= everybody)

    it = any_site(origin)
    assert len(bodies(it.crowd(*[("/a",)] * 11))) == 11
    everybody = 22
    assert len(bodies(it.crowd(*[("/a",)] * 11))) == 11
    assert it.waiting == 0
    assert "collapsed" not in it.counts()


def test_after_a_while_requests_wait_again(site, monkeypatch):
    """And at once, where a response was stored [http 17]."""
    it = site(lambda asked: Reply([FRESH] if it.calls > 1 else [], b"%d" % it.calls, when=_when(it)))
    it.get()
    it.get()
    it.clock.advance(61)
    assert len(bodies(it.crowd(*[("/a",)] * 5))) == 1
    assert it.calls == 3


def _when(it):
    return (lambda: it.waiting == 4) if it.calls == 3 else None


@pytest.mark.parametrize(
    "lines",
    [
        ("Authorization: Bearer %s",),
        ("Authorization: Basic %s",),
        ("Cookie: sessionid=%s",),
        ("Cookie: session=%s; theme=dark",),
    ],
    ids=["bearer", "basic", "session", "two cookies"],
)
def test_alice_and_bob_get_their_own(any_site, lines):
    """Though they ask at the same time, and the response says nothing about it [http 17, security]."""
    names = [f"name{number}" for number in range(10)]
    asked = [("/a", *(line % name for line in lines)) for name in names]

    def origin(asked):
        who = asked.headers.get("authorization") or asked.headers.get("cookie") or "nobody"
        return Reply([FRESH], who.encode(), when=lambda: it.calls >= 11)

    it = any_site(origin)
    answers = it.crowd(*asked, ("/a",))
    for name, answer in zip(names, answers, strict=False):
        assert name.encode() in answer.body
    assert answers[-1].body == b"nobody"


@pytest.mark.parametrize("names", [("alice", "bob"), ("alice", "")], ids=["two", "one and nobody"])
def test_who_varies_is_not_given_anothers(any_site, names):
    """The leader's response turns out to vary: who waited looks by its own fields [http 9, 17]."""

    def origin(asked):
        when = (lambda: it.waiting == 3) if it.calls == 1 else None
        return Reply([FRESH, "Vary: X"], asked.headers.get("x", "").encode(), when=when)

    it = any_site(origin)
    answers = it.crowd(*[("/a", f"X: {name}") for name in names * 2])
    assert [answer.body.decode() for answer in answers] == [*names * 2]
    assert it.calls == 2


def test_variants_that_are_known_wait_each_for_its_own(any_site):
    """A hundred requests for four variants call the application four times [http 9, 17]."""
    full = []

    def all_wait():
        if it.waiting == 96:
            full.append(True)
        return bool(full)

    def origin(asked):
        when = None if it.calls == 1 else all_wait
        return Reply([FRESH, "Vary: X"], asked.headers["x"].encode(), when=when)

    it = any_site(origin)
    it.get("/a", "X: first")
    answers = it.crowd(*[("/a", f"X: {number % 4}") for number in range(100)])
    assert [answer.body for answer in answers] == [b"%d" % (number % 4) for number in range(100)]
    if it.cache.engine.storage.local:
        assert it.calls == 5
    else:
        # Elsewhere two that are stored at the same moment may write the list of variants over each other's.
        assert it.calls < 25


def test_a_leader_that_fails_is_followed_by_another(any_site):
    """Its client gets the error; of the others one leads, and the rest have its response [http 17]."""

    def origin(asked):
        if it.calls == 1:
            return Reply([FRESH], _raises(), when=lambda: it.waiting == 9)
        return Reply([FRESH], b"%d" % it.calls)

    it = any_site(origin)
    answers = it.crowd(*[("/a",)] * 10)
    assert sum(answer.error is not None for answer in answers) == 1
    assert {answer.body for answer in answers if answer.error is None} == {b"2"}
    assert it.calls == 2


def _raises():
    raise ValueError("gone")
    yield b""


def test_an_error_before_the_response_lets_another_lead(any_site):
    """Nothing is left behind [http 17]."""
    it = any_site(numbered(FRESH))
    good = it._origin

    def origin(asked):
        if it.calls == 1:
            raise ValueError("gone")
        return good(asked)

    it._origin = origin
    assert isinstance(it.get().error, ValueError)
    assert it.is_clear()
    assert it.get().body == b"0"


def test_a_slow_body_is_waited_for(site):
    """Those who wait get it whole, once it is whole [http 17, 19]."""
    it = site(lambda asked: Reply([FRESH], iter([b"a", lambda: it.waiting == 9, b"b"])))
    assert bodies(it.crowd(*[("/a",)] * 10)) == {b"ab"}
    assert it.calls == 1


def test_who_has_waited_long_enough_goes_on_alone(any_site):
    """`collapse_timeout` says how long; and who comes after does not wait for the slow one [http 17]."""
    ended = []

    def origin(asked):
        slow = it.calls == 1
        return Reply([FRESH], b"%d" % it.calls, when=(lambda: bool(ended)) if slow else None)

    it = any_site(origin, collapse_timeout=0.05)
    if it.shell == "wsgi":
        first = Background(it.get)
        until(lambda: it.calls == 1)
        assert (it.get().body, it.get().body) == (b"2", b"2")
        ended.append(True)
        assert first.result().body == b"1"
    else:
        leader = Background(lambda: asyncio.run(it._send_asgi(*it._asked("/a", (), "GET", "http"))))
        until(lambda: it.calls == 1)
        assert (it.get().body, it.get().body) == (b"2", b"2")
        ended.append(True)
        assert leader.result().body == b"1"


def test_requests_that_need_each_other_get_through(site):
    """Where nothing shows that responses are shared at all, nobody waits for long [http 17, 19]."""
    it = site(lambda asked: Reply([], b"2", when=lambda: it.calls == 2))
    first, second = Background(_alone(it)), Background(_alone(it))
    assert (first.result().body, second.result().body) == (b"2", b"2")


def test_a_purge_wins_over_one_that_was_set_aside(any_site):
    """Nobody waits for the slow one any more, and yet it is fenced off [http 17, 25]."""
    ended = []
    it = any_site(
        lambda asked: Reply(
            [FRESH, "Cache-Control: no-store" if it.calls == 2 else "X: 1"],
            b"%d" % it.calls,
            when=(lambda: bool(ended)) if it.calls == 1 else None,
        ),
        collapse_timeout=0.05,
    )
    leader = Background(_alone(it))
    until(lambda: it.calls == 1)
    it.get()
    it.cache.purge("http://example.org/a")
    ended.append(True)
    assert leader.result().body == b"1"
    assert it.get().body == b"3"


def _alone(it):
    asked = it._asked("/a", (), "GET", "http")
    return (
        (lambda: it._send_wsgi(*asked)) if it.shell == "wsgi" else lambda: asyncio.run(it._send_asgi(*asked))
    )


@pytest.mark.parametrize(
    "options", [{"collapse": False}, {"rules": [Rule(collapse=False)]}], ids=["all", "by a rule"]
)
def test_collapsing_can_be_switched_off(any_site, options):
    """For a middleware, or by a rule [http 17, 24]."""
    it = any_site(lambda asked: Reply([FRESH], b"x", when=lambda: it.calls == 5), **options)
    it.crowd(*[("/a",)] * 5)
    assert it.calls == 5


def test_a_rule_can_switch_it_on(site):
    """Where the middleware says no [http 17, 24]."""
    it = site(
        lambda asked: Reply([FRESH], b"x", when=lambda: it.waiting == 4),
        collapse=False,
        rules=[Rule(collapse=True)],
    )
    it.crowd(*[("/a",)] * 5)
    assert it.calls == 1


@pytest.mark.parametrize("line", ["Cache-Control: no-cache", "Range: bytes=0-1", "Cache-Control: no-store"])
def test_who_asks_for_something_else_does_not_wait(site, line):
    """A request with wishes of its own goes to the application at once [http 5, 17]."""
    it = site(lambda asked: Reply([FRESH], b"x", when=lambda: it.calls == 5))
    it.crowd(*[("/a", line)] * 5)
    assert it.calls == 5


def test_a_view_that_asks_for_its_own_page_does_not_wait_for_itself(site):
    """The request within is answered by the application [http 17]."""

    def origin(asked):
        if "x" in asked.headers:
            return Reply([FRESH], b"within")
        inner = it.get("/a", "X: 1") if it.shell == "wsgi" else None
        return Reply([FRESH], b"around " + (b"" if inner is None else inner.body))

    it = site(origin, collapse_timeout=600)
    assert it.get().body.startswith(b"around")
    assert it.calls == (2 if it.shell == "wsgi" else 1)


def test_a_request_that_waited_is_no_older_for_it(site):
    """Its response's age counts from when the application was asked [http 3, 17]."""

    def origin(asked):
        if it.calls == 1:
            it.clock.advance(20)
            return Reply(["Cache-Control: private"], b"1", when=lambda: it.waiting == 1)
        return Reply([FRESH], b"2")

    it = site(origin)
    it.crowd(("/a",), ("/a",))
    assert (it.get().get("age"), it.get().status_field) == ("0", "cachelayer; hit; ttl=60")


# -- clients that leave ---------------------------------------------------------------------------------------------


def test_a_client_that_leaves_does_not_cancel_the_others():
    """The leader's task is cancelled: one of those who wait leads, and all have their answer [http 17]."""

    async def work():
        async def app(scope, receive, send):
            calls.append(1)
            if len(calls) == 1:
                await asyncio.Event().wait()
            await send(start())
            await send(body(b"%d" % len(calls)))

        calls = []
        server = Server(app, cache=Cache(clock=FakeClock()))
        leader = asyncio.create_task(server.asend())
        await auntil(lambda: bool(calls))
        others = [asyncio.create_task(server.asend()) for _ in range(5)]
        engine = server.middleware._caching.bound.engine
        await auntil(lambda: sum(len(each.waiters) for each in engine.flights.computing.flying.values()) == 5)
        others[0].cancel()
        leader.cancel()
        answers = await asyncio.gather(*others[1:])
        assert {answer[-1]["body"] for answer in answers} == {b"2"}
        assert len(calls) == 2
        assert not engine.flights.computing.under_way

    asyncio.run(work())


def test_a_client_that_hangs_up_in_the_middle_leaves_the_turn_to_another():
    """Its response is not whole; the others are not taken for those of an unshareable one [http 17, 20]."""

    async def work():
        async def app(scope, receive, send):
            calls.append(1)
            mine = len(calls)
            await receive()
            await auntil(lambda: waiting() == 5 if mine == 1 else True)
            await send(start())
            await send(body(b"%d" % mine))

        async def hang_up():
            return {"type": "http.disconnect"}

        def waiting():
            return sum(len(each.waiters) for each in engine.flights.computing.flying.values())

        calls = []
        server = Server(app, cache=Cache(clock=FakeClock()))
        engine = server.middleware._caching.bind().engine
        leader = asyncio.create_task(server.asend(receive=hang_up))
        await auntil(lambda: bool(calls))

        async def ask():
            async def receive():
                return {"type": "http.request", "body": b"", "more_body": False}

            return await server.asend(scope(), receive)

        answers = await asyncio.gather(*(ask() for _ in range(5)))
        await leader
        assert {answer[-1]["body"] for answer in answers} == {b"2"}
        assert not engine.flights.computing.under_way

    asyncio.run(work())


def test_a_crowd_that_leaves_together_leaves_nothing(any_site):
    """Neither a turn nor anybody who waits [http 17]."""
    it = any_site(lambda asked: Reply([FRESH], b"x", when=lambda: it.calls > 1 and not leaving))
    leaving = True

    async def work():
        tasks = [asyncio.create_task(it._send_asgi(*it._asked("/a", (), "GET", "http"))) for _ in range(50)]
        await auntil(lambda: it.waiting == 49)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    if it.shell == "asgi":
        asyncio.run(work())
        assert it.is_clear()
    leaving = False
    it.calls += 1
    assert it.get().body == b"x"


def test_whoever_is_cancelled_at_any_step_leaves_nothing(tmp_path):
    """Over a shared store: no turn, no flight; the next request is served at once [http 17]."""

    async def work(step):
        async def app(scope, receive, send):
            await asyncio.sleep(0)
            await send(start())
            await send(body(b"x"))

        with DiskBackend(tmp_path / str(step), clock=FakeClock()) as backend:
            server = Server(app, cache=Cache(backend))
            task = asyncio.create_task(server.asend())
            for _ in range(step):
                await asyncio.sleep(0.0002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not server.middleware._caching.bind().engine.flights.computing.under_way
            answer = await asyncio.wait_for(server.asend(), 10)
            assert answer[-1]["body"] == b"x"

    for step in range(20):
        asyncio.run(work(step))


# -- across processes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("kind", ["disk", "redis"])
def test_of_four_processes_one_calls_the_application(shell, kind, tmp_path, request):
    """A cold URL that 40 requests in four processes ask for at once [http 17]."""
    url = request.getfixturevalue("redis_server").url if kind == "redis" else ""
    log = Log(tmp_path / "log")

    def work(number):
        clock = FakeClock()
        backend = (
            DiskBackend(tmp_path / "cache", clock=clock)
            if kind == "disk"
            else RedisBackend(url, namespace=tmp_path.name, clock=clock)
        )
        with backend:

            def origin(asked):
                log.add("called")
                wait_until(lambda: log.count("came") == 4, "all processes ask")
                return Reply([FRESH], b"%d" % os.getpid())

            it = Site(shell, kind, origin, backend=backend, clock=clock)
            log.add("came")
            answers = it.crowd(*[("/a",)] * 10)
            assert not it.cache.engine.flights.computing.under_way
            return [answer.body for answer in answers]

    found = [one for answers in in_processes(4, work) for one in answers]
    assert (len(found), len(set(found)), log.count("called")) == (40, 1, 1)


@pytest.mark.parametrize("shell", SHELLS)
def test_in_four_processes_what_is_not_to_be_shared_goes_to_each_client(shell, tmp_path, redis_server):
    """Each gets its own, and none waits for the turn of another for long [http 17]."""

    def work(number):
        clock = FakeClock()
        with RedisBackend(redis_server.url, namespace=tmp_path.name, clock=clock) as backend:
            it = Site(
                shell,
                "redis",
                lambda asked: Reply([], b"%d %d" % (number, it.calls)),
                backend=backend,
                clock=clock,
            )
            answers = it.crowd(*[("/a",)] * 5)
            assert not it.cache.engine.flights.computing.under_way
            return [answer.body for answer in answers]

    found = [one for answers in in_processes(4, work) for one in answers]
    assert all(one.startswith(b"%d " % (place // 5)) for place, one in enumerate(found))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_refresh_is_one_processs(shell, tmp_path, redis_server):
    """Four processes serve a stale response; one of them brings the next [http 16, 17]."""
    log = Log(tmp_path / "log")

    def site(backend, clock):
        def origin(asked):
            log.add("called")
            return Reply(["Cache-Control: max-age=60, stale-while-revalidate=60"], b"x")

        return Site(shell, "redis", origin, backend=backend, clock=clock)

    clock = FakeClock()
    with RedisBackend(redis_server.url, namespace=tmp_path.name, clock=clock) as backend:
        site(backend, clock).get()

    def work(number):
        clock = FakeClock()
        clock.advance(70)
        with RedisBackend(redis_server.url, namespace=tmp_path.name, clock=clock) as backend:
            it = site(backend, clock)
            it.settled()
            return it.cache.engine.flights.computing.under_way

    assert not any(in_processes(4, work))
    assert log.count("called") == 2
