"""What is safer than in Flask-Caching: private pages, signed pickles, one computation, invalidations that win."""

import itertools
import pickle
import threading
from dataclasses import dataclass

import pytest
from cachelayer_flask.compat import Cache
from flask import Flask, Response, abort, make_response, send_from_directory, session

from cachelayer import EncodingError, InMemoryBackend
from tests.shells import SixMethods


@dataclass
class Price:
    """A value that only pickle takes."""

    amount: int


#: What `ring` was called with.
rung = []


def ring(value):
    """Be called by whoever unpickles an `Alarm`."""
    rung.append(value)


class Alarm:
    """Rings where somebody unpickles it."""

    def __reduce__(self):
        return ring, (1,)


@pytest.fixture
def app():
    """An application with sessions."""
    app = Flask(__name__)
    app.secret_key = "a test's, and long enough"
    return app


@pytest.fixture
def count():
    """Counts the calls of what is cached."""
    return itertools.count(1)


def make_cache(app, **settings):
    """Return the extension over memory."""
    return Cache(app, config={"CACHE_TYPE": "SimpleCache", **settings})


def over_bytes(app, backend=None):
    """Return the extension over a store that other processes might share."""
    app.extensions["backend"] = backend or SixMethods()
    return Cache(app, config={"CACHE_TYPE": f"{__name__}.the_backend"})


def the_backend(app, config, args, kwargs):
    """Give `CACHE_TYPE` the backend that a test made."""
    return app.extensions["backend"]


# -- pages of one visitor ---------------------------------------------------------------------------------------


def used_session():
    """Greet by the session."""
    return f"hello {session.get('name')}"


def set_cookie():
    """Set a cookie."""
    response = make_response("page")
    response.set_cookie("who", "ann")
    return response


def say_private():
    """Say that the page is private, in a tuple."""
    return "page", 200, {"Cache-Control": "private, max-age=5"}


def say_no_store():
    """Say that nobody is to store the page."""
    response = make_response("page")
    response.cache_control.no_store = True
    return response, {"X-More": "1"}


@pytest.mark.parametrize("view", [used_session, set_cookie, say_private, say_no_store])
def test_a_page_for_one_visitor_is_not_stored_by_its_path(app, caplog, view):
    """Said once in the log, with the view's name and the remedy [integrations 11]."""
    cache = make_cache(app)
    app.add_url_rule("/", view_func=cache.cached()(view))
    client = app.test_client()
    for _ in range(2):
        assert client.get("/").status_code == 200
    counted = cache.layer.stats().routes["GET /"]
    assert (counted.uncacheable, counted.miss, counted.hit) == (2, 0, 0)
    assert [record.message.count(view.__name__) for record in caplog.records] == [1]


def test_one_visitors_page_goes_to_nobody_else(app):
    """Not even to who asks while it is computed [integrations 11]."""
    cache = make_cache(app)
    started, go_on = threading.Event(), threading.Event()

    @app.route("/")
    @cache.cached()
    def index():
        name = session.get("name")
        started.set()
        assert go_on.wait(20)
        return f"hello {name}"

    def ask(name, answers):
        client = app.test_client()
        with client.session_transaction() as data:
            data["name"] = name
        answers[name] = client.get("/").text

    answers = {}
    first = threading.Thread(target=ask, args=("ann", answers))
    first.start()
    assert started.wait(20)
    second = threading.Thread(target=ask, args=("bo", answers))
    second.start()
    wait_for_waiters(cache.layer, 1)
    go_on.set()
    first.join(20)
    second.join(20)
    assert answers == {"ann": "hello ann", "bo": "hello bo"}


def wait_for_waiters(layer, number):
    """Wait until so many wait for a computation under way."""
    deadline = threading.Event()
    for _ in range(2000):
        flying = layer.engine.storage.table.computing.flying
        if sum(len(flight.waiters) for flight in list(flying.values())) >= number:
            return
        deadline.wait(0.005)
    raise AssertionError("nobody waits")


def test_a_key_that_says_who_asks_is_enough(app, count):
    """A page by session is stored under a callable `key_prefix` [integrations 11]."""
    cache = make_cache(app)

    @app.route("/")
    @cache.cached(key_prefix=lambda: f"user:{session.get('name')}")
    def index():
        return f"{session.get('name')} {next(count)}"

    client = app.test_client()
    assert [client.get("/").text for _ in range(2)] == ["None 1", "None 1"]
    with client.session_transaction() as data:
        data["name"] = "ann"
    assert client.get("/").text == "ann 2"


def test_a_session_that_was_used_before_the_view_is_no_objection(app, count):
    """A hook that looks who it is runs before each hit, and its session is still saved [integrations 11]."""
    cache = make_cache(app)

    @app.before_request
    def look():
        session["seen"] = True

    @app.route("/")
    @cache.cached()
    def index():
        return str(next(count))

    answers = [app.test_client().get("/") for _ in range(2)]
    assert [answer.text for answer in answers] == ["1", "1"]
    assert all("session=" in answer.headers["Set-Cookie"] for answer in answers)


# -- shared stores ----------------------------------------------------------------------------------------------


def test_any_value_goes_into_a_shared_store_signed(app):
    """Where the application has a SECRET_KEY [integrations 11]."""
    cache = over_bytes(app)
    with app.app_context():
        cache.set("price", Price(5))
        assert cache.get("price") == Price(5)


def test_without_a_secret_key_nothing_is_pickled(app):
    """Plain values and responses are stored all the same; others say what it takes [integrations 11]."""
    app.secret_key = None
    cache = over_bytes(app)
    with app.app_context():
        cache.set("plain", {"a": (1, {2})})
        cache.set("page", Response("text", 201, {"X-Field": "1"}))
        assert cache.get("plain") == {"a": (1, {2})}
        page = cache.get("page")
        assert (page.data, page.status_code, page.headers["X-Field"]) == (b"text", 201, "1")
        with pytest.raises(EncodingError, match="SECRET_KEY"):
            cache.set("price", Price(5))


def test_what_somebody_else_wrote_is_not_read(app):
    """A pickle that no secret key signed is a miss, and nothing of it runs [integrations 11]."""
    signed, store = over_bytes(app), SixMethods()
    unsigned_app = Flask("unsigned")
    unsigned = over_bytes(unsigned_app, store)
    with app.app_context():
        signed.set("key", Alarm())
        held = app.extensions["backend"].get("key")
    pickle.loads(pickle.dumps(Alarm()))
    assert (rung.pop(), b"ring" in held) == (1, True)
    store.set("key", held)
    with unsigned_app.app_context():
        assert unsigned.get("key") is None
    app.extensions["backend"].set("key", held[:-1] + bytes([held[-1] ^ 1]))
    with app.app_context():
        assert signed.get("key") is None
    assert not rung


def test_keys_that_are_rotated_still_verify(app):
    """What SECRET_KEY_FALLBACKS signed is read [integrations 11]."""
    cache, store = over_bytes(app), app.extensions["backend"]
    with app.app_context():
        cache.set("a", Price(1))
    later = Flask("later")
    later.config.update(SECRET_KEY="another one", SECRET_KEY_FALLBACKS=[app.secret_key])
    again = over_bytes(later, store)
    with later.app_context():
        assert again.get("a") == Price(1)


@pytest.mark.parametrize("has_secret", [True, False], ids=["signed", "unsigned"])
def test_error_pages_come_back_from_a_shared_store(app, count, has_secret):
    """As what was raised, with its description [integrations 11]."""
    if not has_secret:
        app.secret_key = None
    cache = over_bytes(app)

    @app.route("/")
    @cache.cached()
    def index():
        abort(410, f"gone {next(count)}")

    answers = [app.test_client().get("/") for _ in range(2)]
    assert [(answer.status_code, "gone 1" in answer.text) for answer in answers] == [(410, True)] * 2


def test_a_response_that_is_streamed_is_given_and_not_stored(app, caplog):
    """It says so in the log [integrations 11]."""
    cache = over_bytes(app)

    @app.route("/")
    @cache.cached()
    def index():
        return Response(iter(["a", "b"]))

    assert [app.test_client().get("/").text for _ in range(2)] == ["ab", "ab"]
    assert "freeze()" in str(caplog.records[0].exc_info[1])


def test_a_file_that_is_frozen_goes_into_a_shared_store(app, count, tmp_path):
    """As its bytes [integrations 11]."""
    cache = over_bytes(app)
    (tmp_path / "page.txt").write_text("page")

    @app.route("/")
    @cache.cached()
    def index():
        next(count)
        response = send_from_directory(tmp_path, "page.txt")
        file = response.response
        response.freeze()
        file.close()  # freeze() leaves that to the collector, which warns
        return response

    assert [app.test_client().get("/").text for _ in range(2)] == ["page", "page"]
    assert next(count) == 2


# -- computations -----------------------------------------------------------------------------------------------


def test_of_those_who_miss_at_the_same_time_one_computes(app):
    """The others get what it computed [integrations 11]."""
    cache, calls = make_cache(app), []
    started, go_on = threading.Event(), threading.Event()

    @cache.memoize()
    def slow(number):
        calls.append(number)
        started.set()
        assert go_on.wait(20)
        return [number]

    answers = []

    def ask():
        with app.app_context():
            answers.append(slow(1))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    assert started.wait(20)
    for thread in threads[1:]:
        thread.start()
    wait_for_waiters(cache.layer, 3)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (calls, answers) == ([1], [[1]] * 4)
    counted = cache.layer.stats().functions[f"{__name__}.{slow.__qualname__}"]
    assert (counted.miss, counted.collapsed) == (1, 3)


@pytest.mark.parametrize("by_bytes", [False, True], ids=["memory", "bytes"])
@pytest.mark.parametrize("whole", [False, True], ids=["one call", "the function"])
def test_what_is_deleted_while_it_is_computed_is_not_stored(app, count, by_bytes, whole):
    """The older result is returned and forgotten [integrations 11]."""
    cache = over_bytes(app) if by_bytes else make_cache(app)
    during = [lambda: cache.delete_memoized(slow, *(() if whole else (1,)))]

    @cache.memoize()
    def slow(number):
        number = next(count)
        for delete in during:
            delete()
        return number

    with app.app_context():
        assert slow(1) == 1
        during.clear()
        assert [slow(1), slow(1)] == [2, 2]


def test_different_types_are_different_calls(app, count):
    """1, 1.0, True and "1"; equal dicts are one, however they were filled [integrations 11]."""
    cache = make_cache(app)

    @cache.memoize()
    def number(value):
        return next(count)

    with app.app_context():
        assert [number(value) for value in (1, 1.0, True, "1")] == [1, 2, 3, 4]
        assert number({"a": 1, "b": 2}) == number({"b": 2, "a": 1}) == 5


def test_an_instance_never_gets_what_an_earlier_one_had(app, count):
    """Although it may have its address [integrations 11]."""
    cache = make_cache(app)

    class Thing:
        @cache.memoize()
        def number(self):
            return next(count)

    with app.app_context():
        assert len({Thing().number() for _ in range(50)}) == 50


def test_an_argument_known_by_its_address_alone_is_not_keyed(app, count, caplog):
    """A list of plain objects: the function is called, and the log says why [integrations 11]."""
    cache = make_cache(app)

    @cache.memoize()
    def number(things):
        return next(count)

    with app.app_context():
        assert [number([object()]), number([object()])] == [1, 2]
    assert "__caching_id__" in str(caplog.records[0].exc_info[1])


def test_fragments_of_unnamed_templates_are_told_apart(app):
    """By what stands in them, since they have neither name nor file [integrations 11]."""
    make_cache(app)
    with app.app_context():
        texts = [
            app.jinja_env.from_string(f"{{% cache 60 %}}{text}{{% endcache %}}").render()
            for text in ("one", "two")
        ]
    assert texts == ["one", "two"]


def test_in_debug_mode_errors_of_the_cache_are_raised(app):
    """As they are there; else they are logged and the view is called [integrations 11]."""
    cache = make_cache(app)

    @app.route("/")
    @cache.cached(make_cache_key=lambda: 1 / 0)
    def index():
        return "page"

    assert app.test_client().get("/").text == "page"
    app.debug = True
    app.testing = True
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/")


def test_what_the_view_raises_is_raised(app):
    """Once, and counted as an error [integrations 11]."""
    cache, calls = make_cache(app), []

    @cache.memoize()
    def fails():
        calls.append(1)
        raise LookupError("no")

    with app.app_context():
        for _ in range(2):
            with pytest.raises(LookupError):
                fails()
    assert len(calls) == 2
    assert cache.layer.stats().functions[f"{__name__}.{fails.__qualname__}"].error == 2


def test_statistics_are_kept_by_route_and_function(app, count):
    """`layer` is the cachelayer.Cache underneath [integrations 11]."""
    cache = make_cache(app)

    @app.route("/users/<int:user>")
    @cache.cached()
    def show(user):
        return str(next(count))

    for path in ("/users/1", "/users/1", "/users/2"):
        app.test_client().get(path)
    counted = cache.layer.stats().routes["GET /users/<int:user>"]
    assert (counted.miss, counted.hit) == (2, 1)
    assert isinstance(cache.layer.backend, InMemoryBackend)
