"""What Flask-Caching's README and documentation show, example by example: here as there."""

import datetime
import hashlib
import itertools

import pytest
from flask import Flask, abort, jsonify, make_response, render_template_string, request, send_from_directory
from flask.views import View

SIMPLE = {"CACHE_TYPE": "SimpleCache"}


@pytest.fixture
def app():
    """An application."""
    return Flask(__name__)


@pytest.fixture
def cache(library, app):
    """The extension, over memory."""
    return library.Cache(app, config=SIMPLE)


@pytest.fixture
def count():
    """Counts the calls of what is cached."""
    return itertools.count(1)


def twice(app, path, **options):
    """Return the texts of two requests."""
    return [app.test_client().get(path, **options).text for _ in range(2)]


def test_the_settings_come_from_the_application(library, app, count):
    """Quickstart: settings in app.config, `Cache(app)`, a view [integrations 11]."""
    app.config.from_mapping({"DEBUG": True, "CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 300})
    cache = library.Cache(app)

    @app.route("/")
    @cache.cached(timeout=50)
    def index():
        return f"computed {next(count)}"

    assert twice(app, "/") == ["computed 1"] * 2


def test_the_settings_come_with_the_constructor_or_with_init_app(library, app, count):
    """Methods A and B, init_app's going first [integrations 11]."""
    cache = library.Cache(config={"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True})
    cache.init_app(app, config=SIMPLE)

    @app.route("/")
    @cache.cached()
    def index():
        return str(next(count))

    assert twice(app, "/") == ["1", "1"]


def test_values_are_set_and_read(cache, app):
    """Caching data by `set` and `get` in an application context [integrations 11]."""
    with app.app_context():
        assert cache.get("answer") is None
        cache.set("answer", 42)
        assert cache.get("answer") == 42


def test_a_timeout_that_the_view_decides_on(library, cache, app, count):
    """`CachedResponse`, which is a response otherwise [integrations 11]."""

    @app.route("/")
    @cache.cached()
    def index():
        response = make_response(str(next(count)))
        response.headers["X-Made-By"] = "index"
        return library.CachedResponse(response=response, timeout=50)

    first, second = (app.test_client().get("/") for _ in range(2))
    assert (first.text, second.text, second.headers["X-Made-By"]) == ("1", "1", "index")


def test_pluggable_views(cache, app, count):
    """The decorator on `dispatch_request` [integrations 11]."""

    class MyView(View):
        @cache.cached(timeout=50)
        def dispatch_request(self):
            return str(next(count))

    app.add_url_rule("/", view_func=MyView.as_view("my_view"))
    assert twice(app, "/") == ["1", "1"]


def test_other_functions_under_a_key_of_their_own(cache, app, count):
    """`key_prefix` in the path's place [integrations 11]."""

    @cache.cached(timeout=50, key_prefix="all_comments")
    def get_all_comments():
        return [next(count)]

    with app.test_request_context():
        assert [get_all_comments(), get_all_comments()] == [[1], [1]]
        assert cache.get("all_comments") == [1]


def test_a_key_of_what_was_posted(cache, app, count):
    """`make_cache_key`, for a POST [integrations 11]."""

    def make_key():
        return ",".join(f"{key}={value}" for key, value in request.get_json().items())

    @app.route("/hello", methods=["POST"])
    @cache.cached(timeout=60, make_cache_key=make_key)
    def some_func():
        return str(next(count))

    client = app.test_client()
    answers = [client.post("/hello", json={"a": value}).text for value in (1, 1, 2)]
    assert answers == ["1", "1", "2"]


def test_memoized_methods(cache, app, count):
    """`memoize` keeps instances apart by their repr() [integrations 11]."""

    class Person:
        def __init__(self, number):
            self.number = number

        def __repr__(self):
            return f"Person({self.number})"

        @cache.memoize(50)
        def has_membership(self, role_id):
            return next(count)

    with app.app_context():
        calls = [Person(1), Person(1), Person(2)]
        assert [person.has_membership(5) for person in calls] == [1, 1, 2]
        assert calls[0].has_membership(role_id=5) == 1


def test_memoized_static_methods(cache, app, count):
    """Below @staticmethod [integrations 11]."""

    class Person:
        @staticmethod
        @cache.memoize(50)
        def calc_budget():
            return next(count)

    with app.app_context():
        assert [Person.calc_budget(), Person().calc_budget()] == [1, 1]


def test_delete_memoized_of_all_calls_or_of_one(cache, app, count):
    """By the function alone, or with its arguments [integrations 11]."""

    @cache.memoize(50)
    def user_has_membership(name, role):
        return next(count)

    with app.app_context():
        user_has_membership("demo", "admin")
        user_has_membership("demo", "user")
        cache.delete_memoized(user_has_membership, "demo", "user")
        assert user_has_membership("demo", "admin") == 1
        assert user_has_membership("demo", "user") == 3
        cache.delete_memoized(user_has_membership)
        assert user_has_membership("demo", "admin") == 4


def test_delete_memoized_of_a_class_method(cache, app, count):
    """With the class as the first argument [integrations 11]."""

    class Foobar:
        @classmethod
        @cache.memoize(5)
        def big_foo(cls, a, b):
            return next(count)

    with app.app_context():
        assert [Foobar.big_foo(5, 2), Foobar.big_foo(5, 2), Foobar.big_foo(5, 3)] == [1, 1, 2]
        cache.delete_memoized(Foobar.big_foo, Foobar, 5, 2)
        assert [Foobar.big_foo(5, 2), Foobar.big_foo(5, 3)] == [3, 2]


def test_delete_memoized_of_one_instance_or_of_all(cache, app, count):
    """By the bound method, by the class's, by one call of either [integrations 11]."""

    class Adder:
        @cache.memoize(5)
        def add(self, b):
            return next(count)

    adder1, adder2 = Adder(), Adder()
    with app.app_context():
        assert [adder1.add(3), adder2.add(3), adder1.add(3)] == [1, 2, 1]
        cache.delete_memoized(adder1.add)
        assert [adder1.add(3), adder2.add(3)] == [3, 2]
        cache.delete_memoized(Adder.add)
        assert [adder1.add(3), adder2.add(3), adder1.add(4)] == [4, 5, 6]
        cache.delete_memoized(adder1.add, 3)
        assert [adder1.add(3), adder1.add(4)] == [7, 6]
        cache.delete_memoized(Adder.add, adder1, 3)
        assert [adder1.add(3), adder2.add(3)] == [8, 5]
        adder1.add.delete_memoized()
        assert [adder1.add(3), adder2.add(3)] == [9, 10]


def test_instances_are_known_by_caching_id(cache, app, count):
    """`__caching_id__` goes before repr() [integrations 11]."""

    class User:
        def __caching_id__(self):
            return 7

        @cache.memoize()
        def name(self):
            return next(count)

    with app.app_context():
        assert [User().name(), User().name()] == [1, 1]


@pytest.mark.parametrize("wants_arguments", [True, False], ids=["with arguments", "without"])
def test_unless_passes_the_cache_by(cache, app, count, wants_arguments):
    """Called with the function and its arguments if it takes any [integrations 11]."""
    unless = (lambda function, *args, **kwargs: True) if wants_arguments else (lambda: True)

    @app.route("/")
    @cache.cached(timeout=50, unless=unless)
    def index():
        return str(next(count))

    @cache.memoize(50, unless=unless)
    def double(number):
        return next(count)

    assert twice(app, "/") == ["1", "2"]
    with app.app_context():
        assert [double(1), double(1)] == [3, 4]


def test_forced_update_computes_and_stores(cache, app, count):
    """Whatever is stored [integrations 11]."""
    fresh = [False]

    @app.route("/")
    @cache.cached(timeout=50, forced_update=lambda: fresh[0])
    def index():
        return str(next(count))

    assert twice(app, "/") == ["1", "1"]
    fresh[0] = True
    assert twice(app, "/") == ["2", "3"]
    fresh[0] = False
    assert twice(app, "/") == ["3", "3"]


def test_response_filter_keeps_failures_out(cache, app, count):
    """It is given what the view returned [integrations 11]."""

    @app.route("/<int:status>")
    @cache.cached(timeout=50, response_filter=lambda response: response.status_code == 200)
    def index(status):
        return make_response(str(next(count)), status)

    assert twice(app, "/200") == ["1", "1"]
    assert twice(app, "/500") == ["2", "3"]


@pytest.mark.parametrize(("keeps", "calls"), [(False, 2), (True, 1)])
def test_none_is_a_result_only_with_cache_none(cache, app, count, keeps, calls):
    """By default the function runs again [integrations 11]."""
    called = []

    @cache.memoize(50, cache_none=keeps)
    def nothing():
        called.append(1)

    with app.app_context():
        assert [nothing(), nothing()] == [None, None]
    assert len(called) == calls


def test_source_check_makes_another_key(cache, app):
    """The function's source is part of it [integrations 11]."""

    @cache.memoize(timeout=50, source_check=True)
    def add(a, b):
        return a + b

    @cache.memoize(timeout=50)
    def plain(a, b):
        return a + b

    with app.app_context():
        assert add(1, 2) == add(1, 2) == 3
        checked = add.make_cache_key(add.uncached, 1, 2)
        assert checked == add.make_cache_key(add.uncached, 1, 2)
        assert checked != plain.make_cache_key(plain.uncached, 1, 2)


def test_another_hash(library, app, count):
    """For the application, and for one decorator [integrations 11]."""
    cache = library.Cache(app, config={**SIMPLE, "CACHE_HASH_METHOD": hashlib.sha512})

    @cache.memoize(timeout=50, hash_method=hashlib.md5)
    def add(a, b):
        return next(count)

    @app.route("/")
    @cache.cached(query_string=True)
    def index():
        return str(next(count))

    with app.app_context():
        assert [add(1, 2), add(1, 2)] == [1, 1]
    assert twice(app, "/?a=1") == ["2", "2"]


def test_query_string_in_any_order(cache, app, count):
    """Its parameters are sorted; other values are another page [integrations 11]."""

    @app.route("/search")
    @cache.cached(timeout=50, query_string=True)
    def search():
        return str(next(count))

    client = app.test_client()
    queries = ("limit=10&offset=20", "offset=20&limit=10", "limit=20&offset=10", "limit=10&limit=20")
    assert [client.get(f"/search?{query}").text for query in queries] == ["1", "1", "2", "3"]


def test_hits_are_indicated_in_a_field(cache, app):
    """`hit_cache`, only in what came from the cache [integrations 11]."""

    @app.route("/")
    @cache.cached(timeout=50, response_hit_indication=True)
    def index():
        return "page"

    first, second = (app.test_client().get("/").headers for _ in range(2))
    assert ("hit_cache" in first, second["hit_cache"]) == (False, "True")


def test_arguments_are_ignored(cache, app, count):
    """`args_to_ignore` [integrations 11]."""

    @cache.memoize(timeout=50, args_to_ignore=["session"])
    def get_user(session, user_id):
        return next(count)

    with app.app_context():
        assert [get_user(object(), 1), get_user(object(), 1), get_user(object(), 2)] == [1, 1, 2]


def test_functions_share_results_under_one_name(cache, app):
    """`make_name` says what the key has in the name's place [integrations 11]."""
    names = []

    def make_name(name):
        names.append(name)
        return "add"

    @cache.memoize(50, make_name=make_name)
    def first(a):
        return a

    with app.app_context():
        assert first(1) == first(1) == 1
    assert names[0].endswith("first")


def test_template_fragments(library, cache, app, count):
    """By name, with what they vary on, removed by key and by "del" [integrations 11]."""
    app.jinja_env.globals["count"] = lambda: next(count)

    def render(tag, **values):
        return render_template_string(f"{{% cache {tag} %}}{{{{ count() }}}}{{% endcache %}}", **values)

    with app.test_request_context():
        assert [render("60, 'key1'"), render("60, 'key1'")] == ["1", "1"]
        assert [render("None, 'key1', who", who=who) for who in ("ann", "bo", "ann")] == ["2", "3", "2"]
        cache.delete(library.make_template_fragment_key("key1", vary_on=["ann"]))
        assert [render("60, 'key1', who", who=who) for who in ("ann", "bo")] == ["4", "3"]
        assert [render("'del', 'key1'"), render("60, 'key1'")] == ["5", "6"]
        assert [render("60*5"), render("60*5")] == ["7", "7"]


def test_the_cache_is_cleared(library, app):
    """By a script with an application context [integrations 11]."""
    cache = library.Cache()
    cache.init_app(app, config=SIMPLE)
    with app.app_context():
        cache.set("a", 1)
        cache.clear()
        assert cache.get("a") is None


def test_a_subclass_sees_what_is_decorated(library, app, count):
    """An override of `get` and `set` covers explicit calls and decorators [integrations 11]."""
    seen = []

    class InstrumentedCache(library.Cache):
        def get(self, *args, **kwargs):
            seen.append("get")
            return super().get(*args, **kwargs)

        def set(self, *args, **kwargs):
            seen.append("set")
            return super().set(*args, **kwargs)

    cache = InstrumentedCache(app, config=SIMPLE)

    @app.route("/")
    @cache.cached()
    def index():
        return str(next(count))

    assert twice(app, "/") == ["1", "1"]
    assert seen == ["get", "set", "get"]


def test_the_example_application(library, app, count):
    """A cached view, a cached function, memoized functions, explicit values and a fragment in one [integrations 11]."""
    cache = library.Cache(app, config=SIMPLE)

    @app.route("/api/now")
    @cache.cached(50)
    def current_time():
        return str(datetime.datetime.now(tz=datetime.UTC))

    @cache.cached(key_prefix="binary")
    def random_binary():
        return [next(count) for _ in range(500)]

    @app.route("/api/get/binary")
    def get_binary():
        return jsonify({"data": random_binary()})

    @cache.memoize(60)
    def _add(a, b):
        return a + b + next(count)

    @app.route("/api/add/<int:a>/<int:b>")
    def add(a, b):
        return str(_add(a, b))

    @app.route("/api/cache/delete")
    def delete_cache():
        cache.delete_memoized(_add)
        return "OK"

    @app.route("/html")
    @app.route("/html/<foo>")
    def html(foo=None):
        if foo is not None:
            cache.set("foo", foo)
        return render_template_string("foo cache: {{ foo }}", foo=cache.get("foo"))

    client = app.test_client()
    for path in ("/api/now", "/api/get/binary", "/api/add/1/2"):
        assert client.get(path).text == client.get(path).text
    before = client.get("/api/add/1/2").text
    client.get("/api/cache/delete")
    assert client.get("/api/add/1/2").text != before
    assert client.get("/html/bar").text == client.get("/html").text == "foo cache: bar"


def test_one_page_is_removed(cache, app, count):
    """`delete_cached`, by the path and by the view's arguments; `make_cache_key` gives the key [integrations 11]."""

    @app.route("/works/<int:year>")
    @cache.cached(query_string=True)
    def view_works(year):
        return str(next(count))

    @app.route("/plain/<int:year>")
    @cache.cached()
    def plain(year):
        return str(next(count))

    client = app.test_client()
    assert twice(app, "/works/7?limit=15&mock=true") == ["1", "1"]
    assert twice(app, "/plain/7") == ["2", "2"]
    with app.app_context():
        assert cache.delete_cached(view_works, "/works/7", {"mock": "true", "limit": 15})
        key = plain.make_cache_key(path="/plain/7")
        assert cache.get(key) == "2"
    assert client.get("/works/7?limit=15&mock=true").text == "3"
    with app.test_request_context():
        assert cache.delete_cached(plain, year=7)
    assert client.get("/plain/7").text == "4"


def test_what_a_function_carries(cache, app, count):
    """`uncached`, and a `cache_timeout` that can be set [integrations 11]."""

    @app.route("/")
    @cache.cached(timeout=50)
    def index():
        return str(next(count))

    assert (index.cache_timeout, index.uncached()) == (50, "1")
    index.cache_timeout = 1000
    assert twice(app, "/") == ["2", "2"]


def test_error_pages_are_cached_and_raised_again(cache, app, count):
    """As what `abort` raises; `response_filter` sees its response [integrations 11]."""

    @app.route("/gone")
    @cache.cached()
    def gone():
        abort(404, f"no page {next(count)}")

    @app.route("/filtered")
    @cache.cached(response_filter=lambda response: response.status_code != 404)
    def filtered():
        abort(404, f"no page {next(count)}")

    for path, numbers in (("/gone", (1, 1)), ("/filtered", (2, 3))):
        for number in numbers:
            response = app.test_client().get(path)
            assert response.status_code == 404
            assert f"no page {number}" in response.text


def test_generators_are_joined(cache, app):
    """Of text, of bytes, and of anything else [integrations 11]."""

    @app.route("/text")
    @cache.cached()
    def text():
        yield "a"
        yield "b"

    @cache.memoize()
    def numbers():
        yield 1
        yield 2

    assert twice(app, "/text") == ["ab", "ab"]
    with app.app_context():
        assert numbers() == numbers() == [1, 2]


def test_is_stale_has_it_computed_anew(cache, app, count):
    """Asked on each hit, with the arguments if it takes them [integrations 11]."""
    asked = []

    def is_stale(value, *args):
        asked.append((value, args))
        return value < 2

    @cache.memoize(50, is_stale=is_stale)
    def number(key):
        return next(count)

    with app.app_context():
        assert [number("k"), number("k"), number("k")] == [1, 2, 2]
    assert asked == [(1, ("k",)), (2, ("k",))]


def test_the_signals_are_sent(library, app):
    """Where CACHE_ENABLE_SIGNALS is set [integrations 11]."""
    cache = library.Cache(app, config={**SIMPLE, "CACHE_ENABLE_SIGNALS": True})
    heard = []

    def hear(name):
        def receive(sender, **what):
            heard.append((name, what["cache"] is cache, what["args"]))

        return receive

    receivers = {
        name: hear(name)
        for name in ("cache_view_hit", "cache_view_miss", "cache_memoize_hit", "cache_memoize_miss")
    }
    for name, receive in receivers.items():
        getattr(library, name).connect(receive)

    @app.route("/")
    @cache.cached()
    def index():
        return "page"

    @cache.memoize()
    def double(number):
        return 2 * number

    twice(app, "/")
    with app.app_context():
        double(1)
        double(1)
    assert heard == [
        ("cache_view_miss", True, ()),
        ("cache_view_hit", True, ()),
        ("cache_memoize_miss", True, (1,)),
        ("cache_memoize_hit", True, (1,)),
    ]


def test_async_views(cache, app, count):
    """Flask runs them in a loop of their own, cached or not [integrations 11]."""

    @app.route("/")
    @cache.cached()
    async def index():
        return str(next(count))

    assert twice(app, "/") == ["1", "1"]


def test_the_methods_of_the_store(cache, app):
    """add, many, has, delete, inc, dec, unlink [integrations 11]."""
    with app.app_context():
        assert (cache.add("a", 1), cache.add("a", 2), cache.get("a")) == (True, False, 1)
        assert sorted(cache.set_many({"b": 2, "c": None})) == ["b", "c"]
        assert list(cache.get_many("a", "b", "none")) == [1, 2, None]
        assert cache.get_dict("a", "b") == {"a": 1, "b": 2}
        assert (cache.has("c"), cache.has("none")) == (True, False)
        assert (cache.delete("a"), cache.delete("a")) == (True, False)
        assert sorted(cache.delete_many("b", "c")) == ["b", "c"]
        assert (cache.cache.inc("n", 5), cache.cache.inc("n"), cache.cache.dec("n", 2)) == (5, 6, 4)
        cache.unlink("n")
        assert not cache.has("n")


@pytest.mark.parametrize("timeout", [50, 0, None, datetime.timedelta(seconds=2.5)], ids=str)
def test_timeouts(cache, app, timeout):
    """Seconds, 0 for ever, None for the default, a timedelta [integrations 11]."""
    with app.app_context():
        cache.set("a", 1, timeout=timeout)
        assert cache.get("a") == 1


class CommaSerializer:
    """A serializer of one's own, with the methods that are asked for."""

    def dumps(self, value, *_):
        """Return bytes."""
        return ",".join(value).encode()

    def loads(self, data):
        """Return a list."""
        return data.decode().split(",")


def test_a_serializer_of_ones_own(library, app):
    """`CACHE_SERIALIZER`: its class or an instance; values come back as it reads them [integrations 11]."""
    made = CommaSerializer
    if library.__name__ == "flask_caching":
        from cachelib.serializers import BaseSerializer

        made = type("Comma", (CommaSerializer, BaseSerializer), {})
    for serializer in (made, made()):
        cache = library.Cache(app, config={**SIMPLE, "CACHE_SERIALIZER": serializer})
        with app.app_context():
            cache.set("a", ("b", "c"))
            assert cache.get("a") == ["b", "c"]


def test_cachelibs_json_serializer(library, app):
    """As its documentation shows it [integrations 11]."""
    serializers = pytest.importorskip("cachelib.serializers")
    cache = library.Cache(app, config={**SIMPLE, "CACHE_SERIALIZER": serializers.JSONSerializer})
    with app.app_context():
        cache.set("a", (1, 2))
        assert cache.get("a") == [1, 2]


def test_a_response_that_is_frozen(library, app, count, tmp_path):
    """`freeze()` makes what is sent from a file fit to be stored [integrations 11]."""
    cache, path = library.Cache(app, config=SIMPLE), tmp_path / "page.txt"
    path.write_text("page")

    @app.route("/")
    @cache.cached()
    def index():
        next(count)
        response = send_from_directory(tmp_path, "page.txt")
        file = response.response
        response.freeze()
        file.close()  # freeze() leaves that to the collector, which warns
        return response

    assert twice(app, "/") == ["page", "page"]
    assert next(count) == 2
