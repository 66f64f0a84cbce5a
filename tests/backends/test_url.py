"""Backends by URL."""

from importlib.metadata import EntryPoint
from pathlib import Path
from urllib.parse import SplitResult

import pytest

from cachelayer import backends
from cachelayer.backends import InMemoryBackend, backend_from_url, url
from cachelayer.backends.url import mask_password, query_options
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.testing import MinimalBackend


@pytest.mark.parametrize("address", ["memory://", "memory:", "memory:///", "MEMORY://"])
def test_memory_has_the_defaults_of_its_class(address: str):
    """memory:// is an InMemoryBackend as it is made without arguments."""
    backend = backend_from_url(address)
    assert isinstance(backend, InMemoryBackend)
    assert backend.max_size_bytes == 100 * 1024 * 1024


def test_memory_takes_its_options_from_the_query():
    """The query parameters are the options of the class."""
    backend = backend_from_url("memory://?max_size_bytes=1000&max_entries=2&policy=lru")
    assert backend.get_stats().max_size_bytes == 1000
    assert backend.set_many({"a": b"1", "b": b"2", "c": b"3"}) == 3
    assert backend.keys() == ["b", "c"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nosuch://", "no backend for nosuch://: the URL must start with .*memory://"),
        ("", "no backend for : the URL must start with .*memory://"),
        ("memory", "no backend for memory: .* memory://"),
        ("/tmp/cache", "no backend for /tmp/cache: .* memory://"),
        ("memory://[", "is no URL"),
        ("memory://localhost", "no host or path"),
        ("memory:///path", "no host or path"),
        ("memory://?size=5", r"unknown option 'size' in memory:// URL: .*'max_size_bytes'"),
        ("memory://?max_entries=many", "max_entries='many' in memory:// URL is not a number"),
        ("memory://?max_entries=", "max_entries='' in memory:// URL is not a number"),
        ("memory://?max_entries=0", "max_entries=0"),
        ("memory://?policy=fifo", "policy='fifo' is unknown: .*lru"),
    ],
)
def test_a_url_that_cannot_work_is_refused(address: str, words: str):
    """The error names what is wrong, and what there is instead."""
    with pytest.raises(ConfigurationError, match=words):
        backend_from_url(address)


@pytest.mark.parametrize("address", [None, b"memory://", 5, Path("memory:")], ids=repr)
def test_what_is_no_str_is_refused(address):
    """A URL of another type raises a TypeError."""
    with pytest.raises(OptionTypeError, match="must be str"):
        backend_from_url(address)


SECRETS = {
    "redis://:secret@host": "redis://:***@host",
    "redis://user:secret@host:6379/0?db=1": "redis://user:***@host:6379/0?db=1",
    "redis://us%40er:secret@host": "redis://us%40er:***@host",
    "redis://user:sec:ret@host": "redis://user:***@host",
    "redis://user:sec/r#e?t@host/0": "redis://user:***@host/0",
    "redis://user:sec@ret@host": "redis://user:***@host",
    "redis://user:sec ret\n@host": "redis://user:***@host",
    "redis://host?password=secret&db=1": "redis://host?password=***&db=1",
    "redis://host?db=1&client_secret=secret": "redis://host?db=1&client_secret=***",
    "tiered://?l1=memory://&l2=redis://:secret@host": "tiered://?l1=memory://&l2=redis://:***@host",
    "tiered://?l2=redis%3A%2F%2Fuser%3Asecret%40host&ttl=1": "tiered://?l2=redis%3A%2F%2Fuser%3A***@host&ttl=1",
    "user:secret@host": "user:secret@host",  # no URL: the part before the colon is a scheme
    "redis://user@host": "redis://user@host",
    "redis://host:6379/0": "redis://host:6379/0",
    "memory://?max_entries=5": "memory://?max_entries=5",
    "": "",
}


@pytest.mark.parametrize(("address", "shown"), SECRETS.items())
def test_passwords_are_masked(address: str, shown: str):
    """Wherever a URL carries a password, quoted as it should be or not, it is shown as ***."""
    assert mask_password(address) == shown


@pytest.mark.parametrize(
    "address", ["nosuch://user:secret@host", "nosuch://user:secret@[host", "memory://a:secret@b"]
)
def test_an_error_shows_no_password(address: str):
    """An error about a URL does not show its password."""
    with pytest.raises(ConfigurationError) as caught:
        backend_from_url(address)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def make(parts: SplitResult) -> MinimalBackend:
    """Make the backend of a scheme that a test registers."""
    assert query_options(parts, {"size": int}) in ({}, {"size": 5})
    return MinimalBackend()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution that registers the scheme third://."""
    point = EntryPoint("third", f"{__name__}:make", url.ENTRY_POINT_GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: make)

    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == "cachelayer.backends"
        return [point] if name in (None, "third") else []

    monkeypatch.setattr(url, "entry_points", entry_points)


@pytest.mark.usefixtures("registered")
def test_a_registered_scheme_is_found():
    """Another distribution's scheme works like one of ours, and is listed."""
    assert isinstance(backend_from_url("third://?size=5"), MinimalBackend)
    with pytest.raises(ConfigurationError, match=r"memory://.*, third://"):
        backend_from_url("nosuch://")
    with pytest.raises(ConfigurationError, match="unknown option 'other' in third:// URL"):
        backend_from_url("third://?other=5")


def test_an_installed_distribution_registers_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An entry point in the group cachelayer.backends is all that it takes."""
    info = tmp_path / "someones_backend-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someones-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cachelayer.backends]\nsomeones = someones_backend:make\n")
    (tmp_path / "someones_backend.py").write_text(
        "from cachelayer.testing import MinimalBackend\n\ndef make(parts):\n    return MinimalBackend()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(backend_from_url("someones://host/path"), MinimalBackend)


@pytest.mark.usefixtures("registered")
def test_a_builtin_scheme_cannot_be_taken_over():
    """memory:// is ours whatever is installed."""
    assert isinstance(backend_from_url("memory://"), InMemoryBackend)


@pytest.mark.parametrize("name", sorted(set(backends.__all__) - {"backend_from_url"}))
def test_a_backend_is_found_where_one_looks_first(name):
    """`from cachelayer.backends import RedisBackend` works, and needs no client library (26)."""
    assert isinstance(getattr(backends, name), type)


def test_what_is_no_backend_is_no_attribute():
    """A mistake in a name is told as usual."""
    with pytest.raises(AttributeError, match="no attribute 'ReddisBackend'"):
        backends.ReddisBackend  # noqa: B018 - the look is what is tested
