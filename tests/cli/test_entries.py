"""`cachelayer keys` and `get`."""

import json

import pytest

from cachelayer import Cache, cached
from cachelayer.wsgi import CacheMiddleware
from tests.cli.support import PAGE, ask, pages, visit

KEY = f"GET {PAGE}"


def got(*arguments):
    """Return what `get` says, as JSON."""
    result = ask("get", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_keys_are_listed(store):
    """A line each [observability 14]."""
    result = ask("keys", "--backend", store)
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == [KEY, "double(i1;)", "double(i2;)"]


@pytest.mark.parametrize(
    ("pattern", "count"), [("double*", 2), ("*", 3), ("GET http*", 1), ("double(i[12];)", 2)]
)
def test_keys_match_a_pattern(store, pattern, count):
    """A glob [observability 14]."""
    assert len(json.loads(ask("keys", pattern, "--backend", store, "--json").stdout)["keys"]) == count


def test_keys_are_those_of_the_namespace(spaced):
    """Shown without it; others' are not shown [observability 14]."""
    mine = ask("keys", "--backend", spaced, "--namespace", "shop")
    assert sorted(mine.stdout.splitlines()) == [KEY, "double(i1;)", "double(i2;)"]
    assert ask("keys", "--backend", spaced, "--namespace", "other").exit_code == 1


def test_a_limit_says_that_there_is_more(store):
    """On the error output, so that scripts read keys alone [observability 14]."""
    result = ask("keys", "--backend", store, "--limit", "2")
    assert len(result.stdout.splitlines()) == 2
    assert "there are more" in result.stderr
    found = json.loads(ask("keys", "--backend", store, "--limit", "2", "--json").stdout)
    assert (len(found["keys"]), found["more"]) == (2, True)
    everything = ask("keys", "--backend", store, "--limit", "0")
    assert (len(everything.stdout.splitlines()), everything.stderr) == (3, "")


def test_no_key_is_a_negative_answer(store):
    """The exit code says so [observability 14]."""
    result = ask("keys", "nothing*", "--backend", store)
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_store_that_lists_no_keys_says_so(memcached_server):
    """Memcached cannot [observability 14]."""
    result = ask("keys", "--backend", f"memcached://127.0.0.1:{memcached_server.port}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "keys" in result.stderr


def test_keys_of_a_redis_server(redis_server):
    """Any store is named by its URL [observability 14]."""
    with Cache(redis_server.url).backend as backend:
        backend.set("a", b"1")
        result = ask("keys", "a*", "--backend", redis_server.url)
        backend.delete("a")
    assert (result.exit_code, result.stdout) == (0, "a\n")


def test_get_shows_what_is_known_of_a_result(store):
    """Times, tags, size and label, and never the value [observability 14]."""
    found = got("double(i1;)", "--backend", store)
    assert (found["kind"], found["label"], found["tags"]) == ("result", "double", ["numbers"])
    assert found["expires_at"] == pytest.approx(found["created_at"] + 600, abs=2)
    assert 0 < found["ttl_remaining"] <= 600
    assert found["size_bytes"] > 0
    assert "value" not in found


def test_get_shows_what_is_known_of_a_response(store):
    """Its status and the length of its body, too [observability 14]."""
    result = ask("get", KEY, "--backend", store)
    told = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "kind response label GET /pages/{id}" in told
    assert "status 200 body 19 B" in told
    assert "the page's own text" not in result.stdout


def test_a_value_is_shown_if_it_is_asked_for(store):
    """A result as Python writes it, a response with its fields [observability 14]."""
    assert got("double(i1;)", "--backend", store, "--value")["value"] == "{'double': 2}"
    assert got(KEY, "--backend", store, "--value")["value"] == {
        "status": 200,
        "headers": ["Cache-Control: max-age=600, stale-while-revalidate=60", "Content-Type: text/plain"],
        "body": "the page's own text",
    }


def test_get_finds_a_key_in_its_namespace(spaced):
    """Keys are as `keys` shows them [observability 14]."""
    assert got("double(i1;)", "--backend", spaced, "--namespace", "shop")["tags"] == ["numbers"]
    assert ask("get", "double(i1;)", "--backend", spaced).exit_code == 1


def test_a_missing_key_is_a_negative_answer(store):
    """The exit code says so [observability 14]."""
    result = ask("get", "nothing", "--backend", store)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing is stored under nothing" in result.stderr


def test_bytes_that_are_no_entry_of_a_function(tmp_path):
    """What somebody stored by the backend itself has times and a size [observability 14]."""
    url = f"disk://{tmp_path}/cache.db"
    with Cache(url).backend as backend:
        backend.set("raw", b"\xff\xfe", None, {"owner": "tests"})
    found = got("raw", "--backend", url, "--value")
    assert (found["kind"], found["expires_at"]) == ("bytes, or signed", None)
    assert (found["metadata"], found["value"]) == ({"owner": "tests"}, r"b'\xff\xfe'")


def test_a_signed_entry_is_not_opened(tmp_path):
    """The command line has no keys [observability 14]."""
    url = f"disk://{tmp_path}/cache.db"
    cache = Cache(url, secret_keys="a key of sixteen bytes or more")
    cached(cache=cache, ttl=60, name="one")(lambda: 1)()
    cache.close()
    assert got("one()", "--backend", url)["kind"] == "bytes, or signed"


def test_the_index_of_a_page_names_its_variants(tmp_path):
    """Each is an entry of its own [observability 14]."""

    def varied(environ, start_response):
        return pages(environ, lambda status, fields: start_response(status, [*fields, ("Vary", "Accept")]))

    url = f"disk://{tmp_path}/cache.db"
    cache = Cache(url)
    visit(CacheMiddleware(varied, cache=cache), "/pages/1")
    cache.close()
    (variant,) = got(KEY, "--backend", url)["variants"]
    assert got(variant, "--backend", url)["status"] == 200


def test_a_cached_exception_is_shown_as_one(tmp_path):
    """It is what callers get [observability 14]."""
    url = f"disk://{tmp_path}/cache.db"
    cache = Cache(url)

    @cached(cache=cache, ttl=60, name="fails", cache_exceptions=(KeyError,), negative_ttl=60)
    def fails():
        raise KeyError("gone")

    with pytest.raises(KeyError):
        fails()
    cache.close()
    found = got("fails()", "--backend", url, "--value")
    assert found["kind"] == "exception"
    assert "builtins.KeyError" in found["value"]


def test_the_api_shows_no_keys():
    """Values and keys are for those who can reach the store [observability 14]."""
    for command in (("keys",), ("get", "key")):
        result = ask(*command, "--api", "http://127.0.0.1:9/cache")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "name the store as --backend" in result.stderr
