"""`cachelayer purge` and `clear`."""

import json

import pytest

from cachelayer import Cache, InMemoryBackend
from cachelayer.stats import make_report
from tests.cli.support import PAGE, PURGE, VIEW, ask, dashboard, used


def missed(url, **options):
    """Return the routes and functions that have to compute anew."""
    cache = Cache(url, **options)
    counted = used(cache).stats()
    cache.close()
    return {label for label, stats in {**counted.routes, **counted.functions}.items() if stats.miss}


@pytest.mark.parametrize(
    ("kind", "value", "purged"),
    [
        ("--tag", "numbers", {"double"}),
        ("--route", "double", {"double"}),
        ("--route", "GET /pages/{id}", {"GET /pages/{id}"}),
        ("--url", PAGE, {"GET /pages/{id}"}),
        ("--prefix", "http://example.org/pages/", {"GET /pages/{id}"}),
    ],
)
def test_purge_removes_what_is_named(store, kind, value, purged):
    """By tag, route, URL and prefix: what was purged is computed anew, and nothing else is [observability 14]."""
    assert ask("purge", kind, value, "--backend", store).exit_code == 0
    assert missed(store) == purged


def test_a_dry_run_purges_nothing(store):
    """It says how many there are [observability 14]."""
    result = ask("purge", "--url", PAGE, "--dry-run", "--backend", store)
    assert (result.exit_code, result.stdout.splitlines()[0][:12]) == (0, "would purge ")
    assert missed(store) == set()


def test_a_soft_purge_makes_stale(store):
    """Entries stay, for those who serve them stale [observability 14]."""
    found = json.loads(ask("purge", "--url", PAGE, "--soft", "--backend", store, "--json").stdout)
    assert found["soft"] is True
    assert ask("get", f"GET {PAGE}", "--backend", store).exit_code == 0


def test_purge_as_json_says_how_many(store):
    """And what was asked for [observability 14]."""
    found = json.loads(ask("purge", "--prefix", "http://example.org/", "--backend", store, "--json").stdout)
    assert {
        "kind": "prefix",
        "count": 1,
        "exact": True,
        "soft": False,
        "dry_run": False,
    }.items() <= found.items()


def test_a_purge_is_in_the_log(store):
    """With who asked for it [observability 14]."""
    ask("purge", "--tag", "numbers", "--backend", store, USER="maria")
    cache = Cache(store)
    (entry,) = [each for each in make_report(cache).audit if each.action == "purge"]
    cache.close()
    assert (entry.what, entry.by) == ("tag numbers", "command line, maria")


def test_workers_with_memory_hear_of_a_purge(tmp_path):
    """Through the directory that they share [observability 14]."""
    worker = used(Cache(InMemoryBackend(), stats_dir=tmp_path / "statistics", stats_interval=3600))
    worker.recorder.flush()
    assert ask("purge", "--tag", "numbers", "--stats-dir", str(tmp_path / "statistics")).exit_code == 0
    worker.recorder.flush()
    assert worker.purge(route="double", dry_run=True).count == 0
    assert worker.purge(route="GET /pages/{id}", dry_run=True).count == 1
    worker.close()


def test_a_running_application_is_purged_by_its_api():
    """By who may [observability 14]."""
    cache = used(Cache())
    with dashboard(cache) as url:
        refused = ask("purge", "--tag", "numbers", "--api", url, "--token", VIEW)
        result = ask("purge", "--tag", "numbers", "--api", url, "--token", PURGE, "--json")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "it takes the role purge" in refused.stderr
    assert (result.exit_code, json.loads(result.stdout)["count"]) == (0, 2)
    assert cache.purge(tag="numbers", dry_run=True).count == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "exactly one"),
        (("--tag", "a", "--route", "b"), "exactly one"),
        (("--url", "/pages/1"), "begins with http"),
        (("--tag", ""), "value is missing"),
    ],
    ids=["nothing", "two", "no URL", "empty"],
)
def test_a_purge_that_makes_no_sense_is_refused(store, arguments, said):
    """Before anything is purged [observability 14]."""
    result = ask("purge", *arguments, "--backend", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_prefix_takes_a_store_that_lists_its_keys(memcached_server):
    """The error names another way [observability 14]."""
    url = f"memcached://127.0.0.1:{memcached_server.port}"
    result = ask("purge", "--prefix", "http://example.org/", "--backend", url)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("", 1), ("y\n", 0)], ids=["no", "nothing", "yes"])
def test_clear_asks_first(store, answer, code):
    """Only a yes removes anything [observability 14]."""
    result = ask("clear", "--backend", store, answer=answer)
    assert result.exit_code == code
    assert "Remove everything in disk://" in result.stderr
    assert ask("keys", "--backend", store).exit_code == (0 if code else 1)


def test_clear_without_asking(store):
    """For scripts [observability 14]."""
    result = ask("clear", "--yes", "--json", "--backend", store)
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"count": 3})


def test_clear_removes_what_is_in_the_namespace(spaced):
    """And nothing else [observability 14]."""
    used(Cache(spaced)).close()
    assert ask("clear", "--yes", "--backend", spaced, "--namespace", "shop", "--name", "pages").exit_code == 0
    assert missed(spaced) == set()
    assert missed(spaced, namespace="shop", name="pages") == {"double", "GET /pages/{id}"}


def test_the_question_shows_no_password(redis_server):
    """Nor does anything else [observability 14]."""
    url = redis_server.url.replace("://", "://default:secret@")
    result = ask("clear", "--backend", url, answer="n\n")
    assert "secret" not in result.output


def test_the_api_clears_nothing():
    """It purges by URL, tag, route or prefix [observability 14]."""
    result = ask("clear", "--yes", "--api", "http://127.0.0.1:9/cache")
    assert (result.exit_code, result.stdout) == (2, "")
