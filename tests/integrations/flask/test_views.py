"""`cached_view`: what views may return, who is served what, tags, and what runs before a hit."""

import gc
import itertools
import threading
import weakref
from functools import wraps

import pytest
from cachelayer_flask import CacheLayer, Rule
from flask import Blueprint, Flask, Response, abort, g, jsonify, request, session, stream_with_context
from flask.views import MethodView

from cachelayer import Cache, CacheLayerError, InMemoryBackend, bypass
from cachelayer.testing import FakeClock
from tests.shells import SixMethods


@pytest.fixture
def clock():
    """The time of the store."""
    return FakeClock()


@pytest.fixture
def app():
    """An application with sessions."""
    app = Flask(__name__)
    app.secret_key = "a test's, and long enough"
    return app


@pytest.fixture
def cache(app, clock):
    """Its extension."""
    return CacheLayer(app, cache=Cache(InMemoryBackend(clock=clock)))


@pytest.fixture
def count():
    """Counts the calls of views."""
    return itertools.count(1)


def ask(app, path="/", **options):
    """Return a response, read to its end."""
    return app.test_client().get(path, buffered=True, **options)


def texts(app, *paths, **options):
    """Return the texts of some requests."""
    return [ask(app, path, **options).text for path in paths]


def status_of(response):
    """Return what Cache-Status says, without the lifetime."""
    return response.headers["cache-status"].partition("; ttl")[0]


# -- what views return ------------------------------------------------------------------------------------------


def generate():
    """Yield the parts of a body."""
    yield "a"
    yield "b"


RETURNED = {
    "str": lambda: "text",
    "tuple": lambda: ("text", 200, {"X-Field": "1"}),
    "dict": lambda: {"a": 1},
    "list": lambda: [1, 2],
    "response": lambda: Response("text", headers=[("X-Twice", "1"), ("X-Twice", "2")]),
    "generator": generate,
    "stream": lambda: Response(stream_with_context(generate()), mimetype="text/csv"),
    "bytes": lambda: b"\x00\xff",
    "empty": lambda: ("", 200),
}


@pytest.mark.parametrize("backend", [InMemoryBackend, SixMethods])
@pytest.mark.parametrize("name", RETURNED)
def test_a_hit_is_the_miss_whatever_the_view_returns(app, name, backend):
    """Status, fields in their order, and body; counted once each [integrations 10]."""
    cache, calls = CacheLayer(app, backend=backend()), []

    @app.get("/")
    @cache.cached_view(ttl=60)
    def view():
        calls.append(1)
        return RETURNED[name]()

    miss, hit = ask(app), ask(app)
    assert (status_of(miss), status_of(hit)) == ("cachelayer; fwd=uri-miss; stored", "cachelayer; hit")
    assert (miss.status, miss.data) == (hit.status, hit.data)
    own = {"age", "cache-status"}
    fields = [[line for line in one.headers if line[0] not in own] for one in (miss, hit)]
    assert fields[0] == fields[1]
    counted = cache.stats().routes["GET /"]
    assert (counted.miss, counted.hit, counted.requests, len(calls)) == (1, 1, 2, 1)


def test_a_stream_that_breaks_off_is_not_stored(app, cache, count):
    """Nor one that its client does not read to the end [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60)
    def view():
        def parts():
            yield str(next(count))
            if next(count) == 2:
                raise OSError("the disk is gone")
            yield "end"

        return Response(parts())

    with pytest.raises(OSError, match="the disk"):
        ask(app)
    half = app.test_client().get("/")
    next(half.iter_encoded())
    half.close()
    assert texts(app, "/", "/") == ["4end", "4end"]


def test_error_pages_are_stored_where_their_status_is_named(app, cache, count):
    """What `abort` raises, as the application's handler shows it [integrations 10]."""

    @app.errorhandler(404)
    def not_found(error):
        return f"not found {next(count)}", 404

    @app.get("/named/<name>")
    @cache.cached_view(ttl=60, status={404: 5})
    def named(name):
        abort(404)

    @app.get("/other/<name>")
    @cache.cached_view(ttl=60)
    def other(name):
        abort(404)

    assert texts(app, "/named/a", "/named/a") == ["not found 1"] * 2
    assert texts(app, "/other/a", "/other/a") == ["not found 2", "not found 3"]
    assert ask(app, "/named/a").status_code == 404


def test_what_a_view_raises_is_the_applications(app, cache):
    """Its handlers see it; it is counted as an error [integrations 10]."""

    @app.errorhandler(LookupError)
    def handle(error):
        return f"handled {error}", 503

    @app.get("/")
    @cache.cached_view(ttl=60)
    def view():
        raise LookupError("no")

    assert texts(app, "/", "/") == ["handled no"] * 2
    assert cache.stats().routes["GET /"].error == 2


def test_views_of_every_kind(app, cache, count):
    """Async ones, methods of classes, blueprints' [integrations 10]."""
    api = Blueprint("api", __name__, url_prefix="/api")

    @app.get("/async")
    @cache.cached_view(ttl=60)
    async def coroutine():
        return str(next(count))

    class Thing(MethodView):
        @cache.cached_view(ttl=60)
        def get(self, name):
            return str(next(count))

    @api.get("/page")
    @cache.cached_view
    def page():
        return Response(str(next(count)), headers={"Cache-Control": "max-age=60"})

    app.add_url_rule("/things/<name>", view_func=Thing.as_view("thing"))
    app.register_blueprint(api)
    assert texts(app, "/async", "/async", "/things/a", "/things/a", "/things/b") == ["1", "1", "2", "2", "3"]
    assert texts(app, "/api/page", "/api/page") == ["4", "4"]
    assert set(cache.stats().routes) == {"GET /async", "GET /things/<name>", "GET /api/page"}


def test_a_view_is_still_a_function(app, cache):
    """With its name, docstring, and `uncached`; called by itself it is not cached [integrations 10]."""

    @cache.cached_view(ttl=60)
    def view(number):
        """Show a number."""
        return number

    assert (view.__name__, view.__doc__, view(5), view.uncached(6)) == ("view", "Show a number.", 5, 6)


def test_views_that_call_views_are_told_apart(app, cache, count):
    """By their names and arguments, since the URL is the same [integrations 10]."""

    @cache.cached_view(ttl=60)
    def part(number):
        return f"{number}:{next(count)}"

    @app.get("/")
    @cache.cached_view(ttl=60)
    def whole():
        return " ".join(part(number).get_data(as_text=True) for number in (1, 2, 1)) + f" {next(count)}"

    assert texts(app, "/", "/") == ["1:1 2:2 1:1 3"] * 2
    assert cache.stats().routes["GET /"].miss == 3


def test_tags_of_a_view_that_another_calls_are_of_its_own_arguments(app, cache, count):
    """And those of the page around it: both go when they are invalidated [integrations 10]."""

    @cache.cached_view(ttl=60, tags=["part:{number}:{kind}"])
    def part(number, kind="plain"):
        return f"{number}:{next(count)}"

    @app.get("/<int:number>")
    @cache.cached_view(ttl=60)
    def whole(number):
        return part(number + 1).get_data(as_text=True)

    assert texts(app, "/1", "/1") == ["2:1", "2:1"]
    cache.invalidate_tags("part:1:plain")
    assert texts(app, "/1") == ["2:1"]
    cache.invalidate_tags("part:2:plain")
    assert texts(app, "/1") == ["2:2"]


def test_head_is_answered_by_what_get_has_stored(app, cache, count):
    """With its length, and no body [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60)
    def view():
        return f"page {next(count)}"

    ask(app)
    head = app.test_client().head("/")
    assert (head.data, head.headers["content-length"], status_of(head)) == (b"", "6", "cachelayer; hit")


def test_a_condition_is_answered_with_304(app, cache):
    """By the ETag of what is stored [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60)
    def view():
        response = jsonify(a=1)
        response.add_etag()
        return response

    etag = ask(app).headers["etag"]
    again = ask(app, headers={"If-None-Match": etag})
    assert (again.status_code, again.data, status_of(again)) == (304, b"", "cachelayer; hit")


# -- what runs before a hit -------------------------------------------------------------------------------------


def login_required(view):
    """Let only those in who have a session with a name."""

    @wraps(view)
    def wrapper(*args, **kwargs):
        if "name" not in session:
            abort(401)
        return view(*args, **kwargs)

    return wrapper


def log_in(app, name):
    """Return a client whose session has a name."""
    client = app.test_client()
    with client.session_transaction() as data:
        data["name"] = name
    return client


def test_hooks_and_login_decorators_run_before_a_hit(app, cache, count):
    """What everybody who is logged in may see is refused to all others [integrations 10]."""
    hooks = []
    app.before_request(lambda: hooks.append(request.path))

    @app.get("/members")
    @login_required
    @cache.cached_view(ttl=60, shared=True)
    def members():
        return f"page {next(count)}"

    clients = [log_in(app, "ann"), log_in(app, "bo")]
    assert [client.get("/members").text for client in clients] == ["page 1", "page 1"]
    assert ask(app, "/members").status_code == 401
    assert hooks == ["/members"] * 3


def test_without_a_word_about_it_a_session_gets_the_views_own_answer(app, cache, count):
    """And others share theirs; Cache-Status says why [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60)
    def view():
        return f"page {next(count)}"

    client = log_in(app, "ann")
    answers = [client.get("/"), client.get("/")]
    assert [answer.text for answer in answers] == ["page 1", "page 2"]
    assert status_of(answers[1]) == "cachelayer; fwd=uri-miss; detail=SESSION-COOKIE"
    assert texts(app, "/", "/") == ["page 3"] * 2


def test_a_method_that_is_never_cached_is_counted_once(app, cache, count):
    """Although a view and the application around it both have a cache [integrations 12]."""

    @app.route("/", methods=["GET", "POST"])
    @cache.cached_view(ttl=60)
    async def view():
        return f"page {next(count)}"

    client = app.test_client()
    assert [client.post("/").text for _ in range(2)] == ["page 1", "page 2"]
    assert cache.stats().routes["POST /"].bypass == 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_page_that_used_the_session_goes_to_nobody_else(app, cache, shared):
    """Whatever the options say, but for `key` [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60, shared=shared)
    def view():
        return f"hello {session.get('name')}"

    names = [log_in(app, name).get("/").text for name in ("ann", "bo")]
    assert [*names, ask(app).text] == ["hello ann", "hello bo", "hello None"]
    counted = cache.stats().routes["GET /"]
    assert (counted.uncacheable, counted.reasons) == (3, {"SESSION-COOKIE": 3})


def test_a_stale_page_that_is_confirmed_by_use_of_the_session_is_not_kept(app, cache, clock, count):
    """A 304 by what one visitor has in its session says nothing of the page of others [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60, shared=True)
    def view():
        number = next(count)
        if number > 1:
            assert session.get("name") == "ann"
        response = Response(f"page {number}")
        response.set_etag("same")
        return response.make_conditional(request)

    client = log_in(app, "ann")
    assert client.get("/").text == "page 1"
    clock.advance(70)
    assert client.get("/").text == "page 1"
    client.get("/")
    assert next(count) == 4


def test_a_stream_with_a_session_is_not_shared(app, cache):
    """It may look into the session while it is sent [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60, shared=True)
    def view():
        def parts():
            yield f"hello {session.get('name')}"

        return Response(stream_with_context(parts()))

    assert [log_in(app, name).get("/").text for name in ("ann", "bo", "ann")] == [
        "hello ann",
        "hello bo",
        "hello ann",
    ]


def test_a_key_says_who_shares_an_entry(app, cache, count):
    """Per user, with session and Authorization; None has it not cached [integrations 10]."""

    @app.before_request
    def load_user():
        g.user = session.get("name") or (request.authorization and request.authorization.username)

    @app.get("/mine")
    @cache.cached_view(ttl=60, key=lambda: g.user)
    def mine():
        name = session.get("name") or request.authorization.username
        return f"{name} {next(count)}"

    ann, bo = log_in(app, "ann"), log_in(app, "bo")
    assert [client.get("/mine").text for client in (ann, bo, ann, bo)] == ["ann 1", "bo 2", "ann 1", "bo 2"]
    assert [ask(app, "/mine", auth=("cy", "x")).text for _ in range(2)] == ["cy 3", "cy 3"]
    with app.test_request_context("/mine"):
        g.user = None
    assert ask(app, "/mine", auth=("", "x")).text == " 4"


def test_what_is_private_by_its_fields_is_not_stored(app, cache, count):
    """Not even under a key or with shared=True: private, no-store, Set-Cookie [integrations 10]."""

    def private():
        return str(next(count)), 200, {"Cache-Control": "private"}

    def cookie():
        response = Response(str(next(count)))
        response.set_cookie("a", "b")
        return response

    ways = {"shared": {"shared": True}, "key": {"key": lambda: "all"}}
    paths = [f"/{view.__name__}/{way}" for view in (private, cookie) for way in ways]
    for view in (private, cookie):
        for way, options in ways.items():
            path = f"/{view.__name__}/{way}"
            app.add_url_rule(path, path, cache.cached_view(ttl=60, **options)(view))
    assert [len({*texts(app, path, path)}) for path in paths] == [2] * 4


def test_cookies_that_are_named_are_part_of_the_key(app, cache, count):
    """Others do not matter [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60, cookies=["theme"])
    def view():
        return f"{request.cookies.get('theme')} {next(count)}"

    answers = []
    for theme, other in (("dark", "1"), ("light", "2"), ("dark", "3")):
        client = app.test_client()
        client.set_cookie("theme", theme)
        client.set_cookie("other", other)
        answers.append(client.get("/").text)
    assert answers == ["dark 1", "light 2", "dark 1"]


# -- options ----------------------------------------------------------------------------------------------------


def test_tags_are_templates_of_the_views_arguments(app, cache, count):
    """Shared with functions: one invalidation is for all [integrations 10]."""

    @cache.cached(ttl=60, tags=["user:{user}"])
    def load(user):
        return next(count)

    @app.get("/users/<int:user>")
    @cache.cached_view(ttl=60, tags=["users", "user:{user}"])
    def show(user):
        return f"user {load(user)}"

    assert texts(app, "/users/7", "/users/8", "/users/007") == ["user 1", "user 2", "user 1"]
    cache.invalidate_tags("user:7")
    assert texts(app, "/users/7", "/users/007", "/users/8") == ["user 3", "user 3", "user 2"]
    cache.invalidate_tags("users")
    assert texts(app, "/users/7", "/users/8") == ["user 3", "user 2"]
    assert cache.stats().routes["GET /users/<int:user>"].miss == 7


def test_what_is_invalidated_while_it_is_made_is_not_stored(app, cache, count):
    """By a tag of the view's arguments [integrations 10]."""
    during = [lambda: cache.invalidate_tags("user:7")]

    @app.get("/users/<int:user>")
    @cache.cached_view(ttl=60, tags=["user:{user}"])
    def show(user):
        number = next(count)
        for invalidate in during:
            invalidate()
        return str(number)

    assert texts(app, "/users/7") == ["1"]
    during.clear()
    assert texts(app, "/users/7", "/users/7") == ["2", "2"]


def test_a_view_speaks_of_its_own_response(app, cache, count, clock):
    """By `tag`, `ttl` and `no_store` [integrations 10]."""

    @app.get("/<what>")
    @cache.cached_view(ttl=60)
    def view(what):
        if what == "never":
            cache.no_store()
        if what == "short":
            cache.ttl(5)
        cache.tag(f"what:{what}")
        return str(next(count))

    assert texts(app, "/never", "/never", "/short", "/long") == ["1", "2", "3", "4"]
    clock.advance(6)
    assert texts(app, "/short", "/long") == ["5", "4"]
    cache.invalidate_tags("what:long")
    assert texts(app, "/long") == ["6"]


def test_a_ttl_ends(app, cache, count, clock):
    """Text, seconds; the application's default where the view names none [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl="1m")
    def view():
        return str(next(count))

    assert texts(app, "/", "/") == ["1", "1"]
    clock.advance(61)
    assert texts(app, "/") == ["2"]
    other = Flask("other")
    default = CacheLayer(other, default_ttl=30)

    @other.get("/")
    @default.cached_view
    def page():
        return str(next(count))

    assert texts(other, "/", "/") == ["3", "3"]


def test_a_stale_page_is_served_while_the_view_is_asked_again(app, cache, count, clock):
    """In a thread with a request of its own, through the application's hooks [integrations 10]."""
    refreshed = threading.Event()

    @app.before_request
    def load_user():
        g.user = "ann"

    @app.get("/<int:number>")
    @cache.cached_view(ttl=10, stale_while_revalidate=60, tags=["number:{number}"])
    def view(number):
        made = f"{g.user} {number} {next(count)} {request.args['q']}"
        if made.startswith("ann 5 2"):
            refreshed.set()
        return made

    assert texts(app, "/5?q=x") == ["ann 5 1 x"]
    clock.advance(11)
    assert texts(app, "/5?q=x") == ["ann 5 1 x"]
    assert refreshed.wait(20)
    wait_until(lambda: ask(app, "/5?q=x").text == "ann 5 2 x")
    assert cache.stats().routes["GET /<int:number>"].refreshes == 1
    cache.invalidate_tags("number:5")
    assert texts(app, "/5?q=x") == ["ann 5 3 x"]


def test_a_part_that_is_refreshed_is_called_for_its_own_arguments(app, cache, clock):
    """Though the view around it is called for others, and has ended by then [integrations 10]."""
    go_on, calls = threading.Event(), []

    @cache.cached_view(ttl=10, stale_while_revalidate=60)
    def part(number):
        if threading.current_thread() is not threading.main_thread():
            assert go_on.wait(20)
        calls.append(number)
        return f"part {number}"

    @app.get("/<name>")
    @cache.cached_view(ttl=1)
    def whole(name):
        return part(5).get_data(as_text=True)

    assert texts(app, "/a") == ["part 5"]
    clock.advance(11)
    assert texts(app, "/a") == ["part 5"]
    go_on.set()
    wait_until(lambda: len(calls) == 2)
    assert calls == [5, 5]


def test_a_stale_page_is_confirmed_by_the_view(app, cache, clock):
    """It is asked with the validators of what is stored, whatever the client's own are [integrations 10]."""
    made, seen = ["one"], []

    @app.before_request
    def look():
        seen.append(str(request.if_none_match))

    @app.get("/")
    @cache.cached_view(ttl=10, stale_if_error=60)
    def view():
        response = Response(made[0])
        response.set_etag(made[0])
        seen.append(str(request.if_none_match))
        return response.make_conditional(request)

    assert texts(app, "/") == ["one"]
    clock.advance(11)
    confirmed = ask(app)
    assert (confirmed.status_code, confirmed.text) == (200, "one")
    assert cache.stats().routes["GET /"].revalidated == 1
    clock.advance(11)
    made[0] = "two"
    changed = ask(app, headers={"If-None-Match": '"two"'})
    # The client has the new one already; what is stored was another.
    assert (changed.status_code, changed.data) in {(200, b"two"), (304, b"")}
    assert texts(app, "/") == ["two"]
    assert seen[-3:-1] == ['"two"', '"one"']


def test_a_refresh_that_a_hook_refuses_stores_nothing(app, cache, count, clock, caplog):
    """What a hook answers in the view's place is no page of the view's [integrations 10]."""
    refuses = []

    @app.before_request
    def refuse():
        if refuses and threading.current_thread() is not threading.main_thread():
            return "refused", 200
        return None

    @app.get("/")
    @cache.cached_view(ttl=10, stale_while_revalidate=60)
    def view():
        return f"page {next(count)}"

    texts(app, "/")
    clock.advance(11)
    refuses.append(1)
    assert texts(app, "/") == ["page 1"]
    wait_until(lambda: cache.stats().routes["GET /"].refresh_errors == 1)
    assert texts(app, "/") == ["page 1"]
    assert "hook" in caplog.text


def wait_until(condition):
    """Wait until something is so, for some seconds at most."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not come to be")


def test_a_stale_page_is_served_where_the_view_fails(app, cache, count, clock):
    """Within `stale_if_error` [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=10, stale_if_error=60)
    def view():
        number = next(count)
        if number > 1:
            raise OSError("the database is gone")
        return f"page {number}"

    assert texts(app, "/") == ["page 1"]
    clock.advance(11)
    assert texts(app, "/") == ["page 1"]
    assert cache.stats().routes["GET /"].error_hit == 1


def test_of_those_who_miss_at_the_same_time_one_calls_the_view(app, cache, count):
    """The others get what it stored [integrations 10]."""
    started, go_on = threading.Event(), threading.Event()

    @app.get("/")
    @cache.cached_view(ttl=60)
    def view():
        started.set()
        assert go_on.wait(20)
        return f"page {next(count)}"

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(app).text)) for _ in range(5)]
    threads[0].start()
    assert started.wait(20)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert answers == ["page 1"] * 5


def test_the_query_as_rules_have_it(app, cache, count):
    """What is ignored is not part of the key [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60, ignore_query=["utm_*"], sort_query=True)
    def view():
        return str(next(count))

    assert texts(app, "/?a=1&b=2", "/?b=2&utm_source=x&a=1", "/?a=2") == ["1", "1", "2"]


def test_bypass(app, cache, count):
    """By a callable without arguments, and by a block [integrations 10]."""

    @app.get("/")
    @cache.cached_view(ttl=60, bypass=lambda: "fresh" in request.args)
    def view():
        return str(next(count))

    assert texts(app, "/", "/", "/?fresh", "/?fresh") == ["1", "1", "2", "3"]
    with bypass():
        assert texts(app, "/") == ["4"]


def test_it_is_purged_by_url_route_and_tag(app, cache, count):
    """Like any other response [integrations 10]."""

    @app.get("/users/<int:user>")
    @cache.cached_view(ttl=60, tags=["user:{user}"])
    def show(user):
        return str(next(count))

    for purge in (
        {"url": "http://localhost/users/7"},
        {"route": "GET /users/<int:user>"},
        {"tag": "user:7"},
    ):
        before, again = texts(app, "/users/7", "/users/7")
        assert before == again
        cache.purge(**purge)
        assert texts(app, "/users/7") != [before]


def test_rules_of_the_application_do_not_serve_it(app, clock, count):
    """The middleware around the application keeps no page that a view caches by itself [integrations 10]."""
    cache = CacheLayer(app, cache=Cache(InMemoryBackend(clock=clock)), rules=[Rule(path="/*", ttl=1000)])
    checked = []
    app.before_request(lambda: checked.append(1))

    @app.get("/")
    @cache.cached_view(ttl=10)
    def view():
        return str(next(count))

    assert texts(app, "/", "/") == ["1", "1"]
    clock.advance(11)
    assert texts(app, "/") == ["2"]
    assert len(checked) == 3
    counted = cache.stats().routes["GET /"]
    assert (counted.requests, counted.miss, counted.hit) == (3, 2, 1)


def test_one_view_in_several_applications(count):
    """Each has its entries and options [integrations 9]."""
    cache = CacheLayer()

    @cache.cached_view(ttl=60)
    def view():
        return str(next(count))

    apps = [Flask("one"), Flask("two")]
    for app in apps:
        app.config["CACHELAYER_CACHE_STATUS"] = app.name
        cache.init_app(app)
        app.add_url_rule("/", view_func=view)
    assert [texts(app, "/", "/") for app in apps] == [["1", "1"], ["2", "2"]]
    assert [status_of(ask(app)) for app in apps] == ["one; hit", "two; hit"]


def test_applications_that_share_a_cache_share_pages(count):
    """Of one view under one URL; and one that is gone leaves nothing behind [integrations 9]."""
    store, cache = Cache(), CacheLayer()

    @cache.cached_view(ttl=60)
    def view():
        return str(next(count))

    apps = [Flask("one"), Flask("two")]
    for app in apps:
        app.config["CACHELAYER_CACHE"] = store
        cache.init_app(app)
        app.add_url_rule("/", view_func=view)
    assert [texts(app, "/") for app in apps] == [["1"], ["1"]]
    gone = weakref.ref(apps.pop())
    del app
    gc.collect()
    assert gone() is None
    assert texts(apps[0], "/") == ["1"]


def view_of(user):
    """Be a view."""
    return str(user)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tll": 5}, "tll"),
        ({"ttl": -1}, "ttl"),
        ({"path": "/x"}, "path"),
        ({"tags": "user"}, "tags"),
        ({"tags": [5]}, "tags"),
        ({"tags": ["user:{name}"]}, "name"),
        ({"tags": ["user:{"]}, "tags"),
        ({"key": "user"}, "key"),
        ({"key": lambda user: user}, "key"),
        ({"bypass": 5}, "bypass"),
        ({"shared": "yes"}, "shared"),
        ({"cookies": "theme"}, "cookies"),
    ],
    ids=range(12),
)
def test_mistakes_show_at_the_decorator(options, named):
    """By the name of the option [integrations 10]."""
    with pytest.raises((CacheLayerError, TypeError), match=named):
        CacheLayer().cached_view(**options)(view_of)


def test_what_is_no_view_is_refused():
    """Such as a ttl that was given by position [integrations 10]."""
    with pytest.raises(TypeError, match="below @route"):
        CacheLayer().cached_view(60)
