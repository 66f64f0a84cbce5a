"""`cachelayer stats`, `routes` and `top`."""

import contextlib
import json
import time

import pytest

from cachelayer import Cache, Outcome
from tests.cli.support import PURGE, VIEW, ask, dashboard, used


def rows(result):
    """Return the rows of JSON by route."""
    return {row["route"]: row for row in json.loads(result.stdout)}


def test_stats_of_a_store(store):
    """Requests, hit rate and the stores, of all workers that wrote there [observability 14]."""
    result = ask("stats", "--backend", store)
    assert (result.exit_code, result.stderr) == (0, "")
    told = " ".join(result.stdout.split())
    assert "requests 10" in told
    assert "hit rate 70.0 %" in told
    assert "outcomes hit 7, miss 3" in told
    assert "DiskBackend" in told


def test_stats_as_json_is_the_report(store):
    """The fields are those of `Report`; who only looks is no worker [observability 14]."""
    found = json.loads(ask("stats", "--backend", store, "--json").stdout)
    assert (found["total"]["requests"], found["total"]["served"]) == (10, 7)
    assert (found["scope"], found["workers"]) == ("workers", [])


def test_the_environment_names_the_store(store):
    """As it does for the library [observability 14]."""
    assert "requests" in ask("stats", CACHELAYER_URL=store).stdout


def test_a_cache_is_found_by_its_namespace_and_name(spaced):
    """They are part of where its statistics are [observability 14]."""
    mine = ask("stats", "--backend", spaced, "--namespace", "shop", "--name", "pages", "--json")
    other = ask("stats", "--backend", spaced, "--json")
    assert [json.loads(each.stdout)["total"]["requests"] for each in (mine, other)] == [10, 0]


def test_memory_is_read_through_a_directory(tmp_path):
    """Workers with memory of their own share figures there [observability 14]."""
    used(Cache(stats_dir=tmp_path / "statistics")).close()
    result = ask("stats", "--stats-dir", str(tmp_path / "statistics"), "--json")
    assert json.loads(result.stdout)["total"]["requests"] == 10


def test_routes_has_a_row_for_each(store):
    """Routes and functions [observability 14]."""
    result = ask("routes", "--backend", store)
    lines = {line.split("  ")[0].strip(): line for line in result.stdout.splitlines()}
    assert result.exit_code == 0
    assert "75.0 %" in lines["double"]
    assert "50.0 %" in lines["GET /pages/{id}"]


def test_what_was_never_looked_up_has_no_hit_rate(tmp_path):
    """A route that is only bypassed shows a dash, and not a rate of nothing [observability 14]."""
    url = f"disk://{tmp_path}/cache.db"
    with contextlib.closing(Cache(url)) as cache:
        cache.routes.counters("POST /orders").record(Outcome.BYPASS)
    assert ask("routes", "--backend", url).stdout.splitlines()[1].split()[:4] == ["POST", "/orders", "1", "–"]  # noqa: RUF001


def test_routes_as_json(store):
    """Each is a `RouteReport` [observability 14]."""
    found = rows(ask("routes", "--backend", store, "--json"))
    assert {route: row["requests"] for route, row in found.items()} == {"double": 8, "GET /pages/{id}": 2}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--sort", "requests"], ["double", "GET /pages/{id}"]),
        (["--sort", "hit"], ["GET /pages/{id}", "double"]),
        (["--sort", "route", "--limit", "1"], ["GET /pages/{id}"]),
        (["--filter", "PAGES"], ["GET /pages/{id}"]),
    ],
    ids=" ".join,
)
def test_routes_can_be_sorted_and_chosen(store, options, expected):
    """By figures and by words [observability 14]."""
    assert list(rows(ask("routes", "--backend", store, "--json", *options))) == expected


def test_no_route_is_a_negative_answer(store):
    """The exit code says so [observability 14]."""
    result = ask("routes", "--backend", store, "--filter", "nothing like it", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, [])


def test_top_once(store):
    """The same on one page, for those who look but once [observability 14]."""
    result = ask("top", "--backend", store, "--once")
    assert result.exit_code == 0
    assert "hit rate" in result.stdout
    assert "GET /pages/{id}" in result.stdout


def test_top_is_live_until_it_is_interrupted(tmp_path, monkeypatch):
    """What is counted meanwhile shows with the next picture; Ctrl-C is its regular end [observability 14]."""
    url, pauses = f"disk://{tmp_path}/cache.db", []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) > 1:
            raise KeyboardInterrupt
        used(Cache(url)).close()

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr("cachelayer.dashboard.sources._FRESH", 0.0)  # no time passes between the pictures
    result = ask("top", "--backend", url, "--interval", "0.5", FORCE_COLOR="1")
    first, second = result.stdout.split("cache default")[1:]
    assert (result.exit_code, pauses) == (0, [0.5, 0.5])
    assert "double" not in first
    assert "double" in second


def test_colours_are_for_terminals(store):
    """Pipes get none [observability 14]."""
    assert "\x1b[" not in ask("routes", "--backend", store).stdout
    assert "\x1b[" in ask("routes", "--backend", store, FORCE_COLOR="1").stdout


def test_labels_cannot_move_the_cursor(tmp_path):
    """What comes from requests is shown, and not obeyed [observability 14]."""
    url = f"disk://{tmp_path}/cache.db"
    cache = Cache(url)
    cache.routes.counters("\x1b[2J[red]evil").record("hit")
    cache.close()
    told = ask("routes", "--backend", url).stdout
    assert "\x1b" not in told
    assert r"\x1b[2J[red]evil" in told


@pytest.mark.parametrize("command", ["stats", "routes", "top"])
def test_a_running_application_is_asked_by_its_api(command):
    """Its figures are those of its own memory [observability 14]."""
    cache = Cache()
    with dashboard(cache) as url:
        used(cache)
        once = ["--once"] if command == "top" else []
        result = ask(command, "--api", url, "--token", VIEW, *once)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "10" in result.stdout
        assert ask(command, *once, CACHELAYER_API=url, CACHELAYER_TOKEN=PURGE).exit_code == 0


@pytest.mark.parametrize(("token", "said"), [(None, "401"), ("a wrong token", "401")], ids=["none", "wrong"])
def test_without_a_right_token_nothing_is_told(token, said):
    """The message has the status and what to do [observability 14]."""
    with dashboard(Cache()) as url:
        given = () if token is None else ("--token", token)
        result = ask("stats", "--api", url, *given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "--token" in result.stderr
    assert "a wrong token" not in result.stderr


def test_a_url_that_is_no_dashboard_is_said():
    """It answers, but not as one does [observability 14]."""
    with dashboard(Cache()) as url:
        result = ask("stats", "--api", f"{url}/elsewhere", "--token", VIEW)
    assert result.exit_code == 2
    assert "answered 404" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--api", "http://name:secret@127.0.0.1:9/cache"), "cannot be reached"),
        (("--api", "ftp://name:secret@host/cache"), "give the dashboard's URL"),
        (("--backend", "redis://:secret@127.0.0.1:9/0"), "cannot be reached"),
        (("--backend", "nowhere://name:secret@host"), "no backend for"),
        (("--backend", "memory://"), "--stats-dir"),
        (("--backend", "memory://", "--api", "http://host"), "exclude each other"),
        ((), "name the store as --backend"),
    ],
    ids=["no API", "no URL", "no Redis", "no scheme", "memory", "both", "nothing"],
)
def test_what_cannot_be_asked_exits_with_2(arguments, said):
    """One line says what to do, and no password is in it [observability 14]."""
    result = ask("stats", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "secret" not in result.stderr


def test_a_window_that_makes_no_sense_is_refused(store):
    """With what durations look like [observability 14]."""
    result = ask("stats", "--backend", store, "--window", "soon")
    assert result.exit_code == 2
    assert "soon" in result.stderr


def test_a_narrow_terminal_gets_fewer_columns(store):
    """Labels are what one has to be able to read [observability 14]."""
    narrow = ask("routes", "--backend", store, FORCE_COLOR="1", COLUMNS="80").stdout
    wide = ask("routes", "--backend", store, FORCE_COLOR="1", COLUMNS="150").stdout
    assert "GET /pages/{id}" in narrow
    assert "coverage" not in narrow
    assert "coverage" in wide
