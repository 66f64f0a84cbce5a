"""`cachelayer doctor`: what it says of a store, and how it ends."""

import pytest
from click.testing import CliRunner, Result

from cachelayer.backends import url as urls
from cachelayer.doctor import doctor
from cachelayer.errors import BackendError
from cachelayer.testing import FailingBackend, MinimalBackend


def ask(*arguments: str, **environment: str) -> Result:
    """Run the command within this process."""
    return CliRunner().invoke(doctor, arguments, env={"CACHELAYER_URL": None, **environment})


class Ill(MinimalBackend):
    """A shared store that has something to say."""

    shared = True

    def diagnose(self):
        """Say it."""
        return ["it evicts nothing: set maxmemory-policy to allkeys-lru"]


@pytest.fixture
def store_at(monkeypatch):
    """Make `test://` the URL of a store."""

    def name(backend):
        monkeypatch.setattr(
            urls, "_factory", lambda scheme: (lambda parts: backend) if scheme == "test" else None
        )

    return name


def test_a_healthy_store_is_well(store_at):
    """It says how long operations take, and exits with 0."""
    store = Ill()
    store.diagnose = list
    store_at(store)
    result = ask("test://user:secret@host")
    assert result.exit_code == 0
    assert "store: test://user:***@host" in result.output
    assert "all is well" in result.output
    for name in ("write", "hit", "miss"):
        assert f"{name}: " in result.output
    assert store.get_stats().current_entries == 0


def test_what_is_wrong_is_said(store_at):
    """Each finding is a line, and the command exits with 1."""
    store_at(Ill())
    result = ask("test://")
    assert result.exit_code == 1
    assert "- it evicts nothing: set maxmemory-policy to allkeys-lru\n1 found" in result.output


def test_a_store_that_fails_is_told_once(store_at):
    """An error is a finding, not a traceback."""
    store = FailingBackend(MinimalBackend(), error=BackendError("refused: start the server"))
    store_at(store)
    result = ask("test://")
    assert result.exit_code == 1
    assert result.output.count("refused: start the server") == 1


def test_memory_is_one_cache_a_worker():
    """Who asks about no store in particular is told what the default means with several workers."""
    result = ask()
    assert result.exit_code == 1
    assert "store: memory://" in result.output
    assert "each worker process has a cache of its own" in result.output


def test_the_environment_names_the_store():
    """Without an argument it is the default cache's store."""
    assert "store: memory://?max_entries=10" in ask(CACHELAYER_URL="memory://?max_entries=10").output


def test_a_bad_url_is_said():
    """An unknown URL is a finding that lists what there is."""
    result = ask("nowhere://user:secret@host")
    assert result.exit_code == 1
    assert "memory://" in result.output
    assert "secret" not in result.output
