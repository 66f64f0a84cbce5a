"""`flask cachelayer ...`, and the extension's signals."""

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from cachelayer_flask import CacheLayer
from cachelayer_flask import signals as sent
from flask import Flask

from cachelayer import Cache, OptionTypeError
from tests.shells import SixMethods


def make_app(**settings):
    """Return an application with a page and a function."""
    app = Flask(__name__)
    app.config.update(settings)
    cache = CacheLayer(app)

    @app.get("/users/<int:user>")
    @cache.cached_view(ttl=60, tags=["user:{user}"])
    def show(user):
        return f"user {user}"

    return app, cache


def run(app, *args, **options):
    """Return the result of a command."""
    result = app.test_cli_runner().invoke(args=["cachelayer", *args], **options)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def redis_url(redis_server):
    """A store that the commands' process would share with servers."""
    from redis import Redis

    with Redis(port=redis_server.port, db=5) as client:
        client.flushdb()
    return f"redis://127.0.0.1:{redis_server.port}/5"


@pytest.fixture
def served(redis_url):
    """An application that has served a page twice."""
    app, cache = make_app(
        CACHELAYER_BACKEND=redis_url, CACHELAYER_NAMESPACE="shop", CACHELAYER_STATS_INTERVAL=0.05
    )
    for _ in range(2):
        assert app.test_client().get("/users/7").text == "user 7"
    yield app
    cache.cache.close()


def test_routes_shows_what_the_workers_counted(served):
    """As a table, and as JSON [integrations 12]."""
    wait_until(lambda: "50%" in run(served, "routes").stdout)
    line = run(served, "routes").stdout.splitlines()[1]
    assert line.split()[:4] == ["GET", "/users/<int:user>", "2", "50%"]
    told = json.loads(run(served, "routes", "--json").stdout)
    assert (told["GET /users/<int:user>"]["hit"], told["GET /users/<int:user>"]["miss"]) == (1, 1)


def wait_until(condition):
    """Wait until something is so, for some seconds at most."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to be")


def test_stats_shows_totals_and_the_store(served):
    """As a table, and as JSON [integrations 12]."""
    wait_until(lambda: json.loads(run(served, "stats", "--json").stdout)["total"]["requests"] == 2)
    shown = run(served, "stats").stdout
    assert shown.splitlines()[1].split()[:3] == ["all", "2", "50%"]
    assert "hits" in shown.splitlines()[2]


def test_keys_lists_those_of_the_namespace(served):
    """By a glob, no more than it is told to [integrations 12]."""
    listed = run(served, "keys").stdout.splitlines()
    assert len(listed) == 1
    assert "users/7" in listed[0]
    assert run(served, "keys", "*users/8*").stdout == ""
    for number in range(3):
        served.test_client().get(f"/users/{number}")
    assert len(run(served, "keys", "--limit", "2").stdout.splitlines()) == 2
    assert len(run(served, "keys", "--limit", "0").stdout.splitlines()) == 4


@pytest.mark.parametrize(
    "what",
    [
        ["--tag", "user:7"],
        ["--url", "http://localhost/users/7"],
        ["--route", "GET /users/<int:user>"],
        ["--prefix", "http://localhost/users/"],
    ],
    ids=lambda what: what[0][2:],
)
def test_purge_removes_what_it_is_told(served, what):
    """And nothing where it is only to count [integrations 12]."""
    client = served.test_client()
    assert "would purge" in run(served, "purge", *what, "--dry-run").stdout
    assert "hit" in client.get("/users/7").headers["cache-status"]
    assert run(served, "purge", *what).stdout.startswith("purged ")
    assert "fwd=uri-miss" in client.get("/users/7").headers["cache-status"]


def test_purge_softly_makes_stale(served):
    """Which it says [integrations 12]."""
    assert run(served, "purge", "--tag", "user:7", "--soft").stdout.startswith("made stale")


def test_clear_removes_everything_once_it_is_confirmed(served):
    """Or told --yes [integrations 12]."""
    client = served.test_client()
    assert run(served, "clear", input="n").exit_code == 1
    assert "hit" in client.get("/users/7").headers["cache-status"]
    assert run(served, "clear", "--yes").stdout.startswith("removed")
    assert "fwd=uri-miss" in client.get("/users/7").headers["cache-status"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["purge"], "exactly one"),
        (["purge", "--tag", "a", "--route", "b"], "exactly one"),
        (["purge", "--url", "/users/7"], "absolute"),
        (["keys", "--limit", "many"], "many"),
        (["nothing"], "nothing"),
    ],
    ids=range(5),
)
def test_mistakes_are_told(args, said):
    """With a remedy, and no traceback [integrations 12]."""
    app, _ = make_app()
    result = run(app, *args)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_store_in_memory_is_said_to_be_the_commands_own():
    """It reaches no server, and counts for none [integrations 12]."""
    app, _ = make_app()
    app.test_client().get("/users/7")
    for command in (["stats"], ["routes"], ["keys"], ["purge", "--tag", "a"], ["clear", "--yes"]):
        result = run(app, *command)
        assert result.exit_code == 0
        assert "CACHELAYER_BACKEND" in result.stderr
    app.test_client().get("/users/7")
    assert "users/7" in run(app, "keys").stdout


def test_a_store_that_lists_no_keys_says_so():
    """Without a traceback [integrations 12]."""
    app, _ = make_app(CACHELAYER_BACKEND=SixMethods())
    result = run(app, "keys")
    assert (result.exit_code, "keys()" in result.stderr) == (1, True)


def test_the_command_of_flask_itself(redis_url, tmp_path):
    """In a process of its own: `flask cachelayer purge` reaches what a server has stored [integrations 12]."""
    module = tmp_path / "served_app.py"
    module.write_text(
        "from flask import Flask\n"
        "from cachelayer_flask import CacheLayer\n"
        "app = Flask(__name__)\n"
        f"app.config['CACHELAYER_BACKEND'] = {redis_url!r}\n"
        "app.config['CACHELAYER_NAMESPACE'] = 'cli'\n"
        "cache = CacheLayer(app)\n"
    )
    app, cache = make_app(CACHELAYER_BACKEND=redis_url, CACHELAYER_NAMESPACE="cli")
    app.test_client().get("/users/7")
    command = [sys.executable, "-m", "flask", "--app", "served_app", "cachelayer"]
    root = Path(__file__).parents[3]
    path = os.pathsep.join([str(tmp_path), str(root), str(root / "integrations")])
    for more, said in (
        (["keys"], "users/7"),
        (["purge", "--tag", "user:7"], "purged"),
        (["--help"], "purge"),
    ):
        done = subprocess.run(
            [*command, *more],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, said in done.stdout) == (0, True), done.stderr
    assert "fwd=uri-miss" in app.test_client().get("/users/7").headers["cache-status"]
    cache.cache.close()


# -- signals ----------------------------------------------------------------------------------------------------


def test_the_signals_are_sent_for_the_application():
    """With the event; to those who listen to this application [integrations 12]."""
    app, cache = make_app(CACHELAYER_SIGNALS=True)
    other, _ = make_app(CACHELAYER_SIGNALS=True)
    heard = []

    def hear(sender, event):
        heard.append((sender, event.kind, event.route))

    for signal in (sent.cache_hit, sent.cache_miss, sent.cache_stored, sent.cache_invalidated):
        signal.connect(hear, sender=app)
    for one in (app, other):
        for _ in range(2):
            one.test_client().get("/users/7")
    cache.invalidate_tags("user:7")
    label = "GET /users/<int:user>"
    assert heard == [
        (app, "miss", label),
        (app, "stored", label),
        (app, "hit", label),
        (app, "invalidated", ""),
    ]


def test_a_receiver_that_fails_harms_nobody(caplog):
    """The page is served, and the log says what happened [integrations 12]."""
    app, _ = make_app(CACHELAYER_SIGNALS=True)

    def fail(sender, event):
        raise LookupError("a receiver's mistake")

    with sent.cache_miss.connected_to(fail, sender=app):
        assert app.test_client().get("/users/7").text == "user 7"
    assert "a receiver's mistake" in caplog.text


def test_without_the_setting_nobody_listens():
    """Hits take their short way then; the setting is True or False [integrations 12]."""
    _, cache = make_app()
    assert not cache.cache.listeners
    with pytest.raises(OptionTypeError, match="CACHELAYER_SIGNALS"):
        make_app(CACHELAYER_SIGNALS="yes")


def test_signals_keep_no_application_alive():
    """Although its cache may live on [integrations 9]."""
    app = Flask(__name__)
    store = Cache()
    CacheLayer(app, cache=store, signals=True)
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None
    store.invalidate_tags("a")
