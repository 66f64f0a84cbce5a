"""What is behind Django's caches: signed pickles, one store for the process, and its end."""

import asyncio
import gc
import os
import pickle
import subprocess
import sys
import threading
import warnings

import pytest
from cachelayer_django.stores import close_stores
from django.core.cache import cache, caches
from django.core.signals import request_finished
from django.test.utils import override_settings

from cachelayer.errors import BackendError
from cachelayer.testing import MinimalBackend
from tests.integrations.django.conftest import OURS
from tests.servers.redis import RedisServer
from tests.shells import SixMethods

OLD, NEW = "an old key of a site", "a new key of a site"


class Attack:
    """An object whose pickle runs code when it is read."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("data", ["pickle", "digits in a pickle", "nothing", "cut"])
def test_foreign_bytes_are_not_there(use_caches, tmp_path, data):
    """Nothing in them is run; they do not stand in the way of what is stored next [integrations 14]."""
    store = SixMethods()
    use_caches(default={"LOCATION": store})
    cache.set("key", "x")
    bad = {
        "pickle": pickle.dumps(Attack(tmp_path / "made")),
        "digits in a pickle": pickle.dumps(5),
        "nothing": b"",
        "cut": store.get(":1:key")[:-1],
    }
    for name in ("key", "many"):
        store.set(f":1:{name}", bad[data])
    assert (cache.get("key", "default"), cache.get_many(["many"])) == ("default", {})
    assert not (tmp_path / "made").exists()
    assert (cache.add("key", 1), cache.add("many", 2)) == (True, True)


def test_an_entry_cannot_be_moved_to_another_key(use_caches):
    """The key is signed with it [integrations 14]."""
    store = SixMethods()
    use_caches(default={"LOCATION": store})
    cache.set("rights:ann", ["admin"])
    store.set(":1:rights:bob", store.get(":1:rights:ann"))
    assert cache.get("rights:bob") is None


def test_another_sites_entries_are_not_taken(use_caches):
    """It has another SECRET_KEY [integrations 14]."""
    use_caches(default={"LOCATION": SixMethods()})
    with override_settings(SECRET_KEY=OLD):
        cache.set("key", "x")
        assert cache.get("key") == "x"
    with override_settings(SECRET_KEY=NEW):
        assert cache.get("key") is None


def test_a_secret_key_can_be_rotated(use_caches):
    """What a fallback signed is read; what is written is signed by the new key [integrations 14]."""
    use_caches(default={"LOCATION": SixMethods()})
    with override_settings(SECRET_KEY=OLD):
        cache.set("key", "x")
    with override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=[OLD]):
        assert cache.get("key") == "x"
        cache.set("newer", "y")
    with override_settings(SECRET_KEY=NEW):
        assert (cache.get("newer"), cache.get("key")) == ("y", None)


def test_signing_can_be_left_out(use_caches):
    """For a store that nobody else can write to; the checks warn of it [integrations 14]."""
    use_caches(default={"LOCATION": SixMethods(), "OPTIONS": {"SIGNED": False}})
    with override_settings(SECRET_KEY=OLD):
        cache.set("key", {"a": (1,)})
    assert cache.get("key") == {"a": (1,)}


def test_large_values_are_compressed(use_caches):
    """Unless the option says no [integrations 14]."""
    store = SixMethods()
    use_caches(default={"LOCATION": store}, plain={"LOCATION": store, "OPTIONS": {"COMPRESS": False}})
    caches["default"].set("small", "x" * 10_000)
    caches["plain"].set("large", "x" * 10_000)
    assert len(store.get(":1:small")) < 1000
    assert len(store.get(":1:large")) > 10_000


def test_a_class_that_is_gone_is_a_miss(use_caches, caplog):
    """As it is after a deployment; the log says so once [integrations 14]."""
    use_caches(default={"LOCATION": SixMethods()})
    gone = type("Gone", (), {"__module__": __name__})
    globals()["Gone"] = gone
    for name in ("a", "b"):
        cache.set(name, gone())
    del globals()["Gone"]
    with caplog.at_level("WARNING", "cachelayer_django"):
        assert (cache.get("a"), cache.get("b")) == (None, None)
    assert len(caplog.records) == 1
    assert "':1:a'" in caplog.text


# -- one store for the process -----------------------------------------------------------------------------------


def test_all_threads_have_one_store(use_caches, redis_server, tmp_path):
    """Django makes an object for each thread and each task; the connections are the process's [integrations 15]."""
    use_caches(default={"LOCATION": f"{redis_server.url}?namespace={tmp_path.name}"})
    found = []
    threads = [threading.Thread(target=lambda: found.append(caches["default"])) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    assert len(set(map(id, found))) == 3
    assert len({id(one.store) for one in found}) == 1


def test_caches_of_one_location_share_its_connections(use_caches, redis_server, tmp_path):
    """Whatever their options say of values [integrations 15]."""
    url = f"{redis_server.url}?namespace={tmp_path.name}"
    use_caches(a={"LOCATION": url}, b={"LOCATION": url, "OPTIONS": {"COMPRESS": False}})
    assert caches["a"].store.origin is caches["b"].store.origin
    caches["a"].set("key", "x")
    assert caches["b"].get("key") == "x"


def test_memory_has_names(use_caches):
    """Two caches in memory are one store unless a fragment tells them apart, as with Django's own [integrations 15]."""
    use_caches(
        a={"LOCATION": "memory://#names"},
        b={"LOCATION": "memory://#names"},
        c={"LOCATION": "memory://#others"},
    )
    caches["a"].set("key", 1)
    assert (caches["b"].get("key"), caches["c"].get("key")) == (1, None)


def test_the_end_of_a_request_closes_nothing(use_caches, redis_server, tmp_path):
    """The next one has the same connection [integrations 15]."""
    use_caches(default={"LOCATION": f"{redis_server.url}?namespace={tmp_path.name}"})
    cache.set("key", 1)

    def connections():
        """How often anybody has connected, this question included."""
        return redis_server.ask("INFO", "stats")["total_connections_received"]

    before = connections()
    for _ in range(5):
        request_finished.send(sender=None)
        assert cache.get("key") == 1
    assert connections() == before + 1


def test_several_event_loops_one_after_the_other(use_caches, redis_server, tmp_path):
    """Each has its own connections, which end with it, with no warning [integrations 15]."""
    use_caches(default={"LOCATION": f"{redis_server.url}?namespace={tmp_path.name}"})

    async def use():
        await cache.aset("key", 1)
        found = await asyncio.gather(*(cache.aget("key") for _ in range(5)))
        await cache.aclose()
        return [*found, await cache.aget("key")]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert asyncio.run(use()) == [1] * 6
        gc.collect()
    assert cache.get("key") == 1


def test_two_event_loops_at_once(use_caches, redis_server, tmp_path):
    """In two threads [integrations 15]."""
    use_caches(default={"LOCATION": f"{redis_server.url}?namespace={tmp_path.name}"})
    both, counts = threading.Barrier(2, timeout=30), []

    async def count():
        await cache.aadd("key", 0)
        both.wait()
        for _ in range(50):
            await cache.aincr("key")
        both.wait()
        counts.append(await cache.aget("key"))

    threads = [threading.Thread(target=lambda: asyncio.run(count())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [100, 100]


def test_async_methods_hop_to_no_thread(use_caches, redis_server, tmp_path):
    """Over Redis all that is awaited is the loop's own [integrations 15]."""
    use_caches(default={"LOCATION": f"{redis_server.url}?namespace={tmp_path.name}"})

    async def use():
        await cache.aset("warm", 1)
        before = threading.active_count()
        await cache.aset_many({"key": 1, "b": [2]})
        await cache.aget_many(["key", "b"])
        await cache.aincr("key")
        await cache.aget_or_set("c", 1)
        await cache.atouch("c")
        await cache.adelete("c")
        return threading.active_count() - before

    assert asyncio.run(use()) == 0


def test_closed_stores_are_opened_anew(use_caches, redis_server, tmp_path):
    """`close_stores` is for those who will not wait for the end of the process [integrations 15]."""
    use_caches(default={"LOCATION": f"{redis_server.url}?namespace={tmp_path.name}"})
    cache.set("key", 1)
    first = caches["default"].store
    close_stores(of_others_too=False)
    assert cache.get("key") == 1
    assert caches["default"].store is not first


def test_overridden_caches_are_closed(redis_server, tmp_path):
    """`override_settings(CACHES=...)` leaves no connection behind; memory keeps what it has [integrations 20]."""
    url = f"{redis_server.url}?namespace={tmp_path.name}"
    memory = {"default": {"BACKEND": OURS, "LOCATION": "memory://#overridden"}}
    with override_settings(CACHES=memory):
        cache.set("key", 1)
    with override_settings(CACHES={"default": {"BACKEND": OURS, "LOCATION": url}}):
        cache.set("key", 2)
        link = caches["default"].store
    with override_settings(CACHES=memory):
        assert cache.get("key") == 1
    assert link.backend.core.closed


FORKS = """
import os, sys
from django.conf import settings
settings.configure(CACHES={"default": {"BACKEND": "cachelayer_django.cache.CacheLayerCache", "LOCATION": %r}},
                   SECRET_KEY="a test's")
import django
django.setup()
from django.core.cache import cache
cache.set("parent", 1)
child = os.fork()
if child == 0:
    cache.set("child", cache.get("parent") + 1)
    cache.close()
    os._exit(0 if cache.incr("child") == 3 else 1)
status = os.waitpid(child, 0)[1]
print(status, cache.get("parent"), cache.get("child"))
"""


def test_a_forked_child_has_connections_of_its_own(redis_server, tmp_path):
    """As a server's workers have that load the site first; the parent's go on, and close [integrations 15]."""
    url = f"{redis_server.url}?namespace={tmp_path.name}"
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", FORKS % url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.stdout.split(), done.stderr) == (["0", "1", "3"], "")


# -- a store that is away ----------------------------------------------------------------------------------------


def test_a_store_that_is_away_finds_nothing_and_comes_back(use_caches):
    """No error in mid-traffic, and nothing to restart afterwards [integrations 22]."""
    with RedisServer() as server:
        use_caches(default={"LOCATION": f"{server.url}?timeout=0.5"})
        cache.set("key", "x")
        server.stop()
        assert (cache.get("key", "default"), cache.get_many(["key"]), cache.add("a", 1)) == (
            "default",
            {},
            False,
        )
        assert (cache.get_or_set("b", lambda: 5), cache.set_many({"c": 1})) == (5, ["c"])
        cache.set("key", "y")
        cache.delete("key")
        with pytest.raises(ValueError, match="not found"):
            cache.incr("key")
        server.start()
        for _ in range(200):
            cache.set("key", "z")
            if cache.get("key") == "z":
                break
            threading.Event().wait(0.05)
        assert cache.get("key") == "z"


class Away(MinimalBackend):
    """A store that fails."""

    shared = True

    def get(self, key):
        """Fail."""
        raise OSError("away")


def test_a_failing_store_can_be_an_error(use_caches):
    """Where the site says that it wants to know [integrations 22]."""
    use_caches(default={"LOCATION": Away(), "OPTIONS": {"ON_ERROR": "raise", "DEADLINE": "2s"}})
    with pytest.raises(BackendError):
        cache.get("key")
