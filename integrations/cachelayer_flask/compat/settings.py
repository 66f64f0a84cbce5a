"""What `CACHE_TYPE` and the other settings of Flask-Caching say, as a store of ours."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

from flask import Flask
from werkzeug.utils import import_string

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.null import NullBackend
from cachelayer.backends.redis.backend import RedisBackend
from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.values.codecs import Codec, ValueCodec
from cachelayer_flask.compat.backends import ForeignBackend
from cachelayer_flask.compat.timeouts import seconds_of
from cachelayer_flask.compat.values import GivenCodec, Values

_DEFAULTS: Final[Mapping[str, Any]] = {
    "CACHE_TYPE": "NullCache",
    "CACHE_NO_NULL_WARNING": False,
    "CACHE_ARGS": (),
    "CACHE_OPTIONS": None,
    "CACHE_DEFAULT_TIMEOUT": 300,
    "CACHE_IGNORE_ERRORS": False,
    "CACHE_THRESHOLD": 500,
    "CACHE_KEY_PREFIX": "flask_cache_",
    "CACHE_SOURCE_CHECK": False,
    "CACHE_HASH_METHOD": hashlib.sha256,
    "CACHE_SERIALIZER": None,
    "CACHE_ENABLE_SIGNALS": False,
    "CACHE_MEMCACHED_SERVERS": None,
    "CACHE_MEMCACHED_USERNAME": None,
    "CACHE_MEMCACHED_PASSWORD": None,
    "CACHE_REDIS_HOST": "localhost",
    "CACHE_REDIS_PORT": 6379,
    "CACHE_REDIS_PASSWORD": None,
    "CACHE_REDIS_DB": 0,
    "CACHE_REDIS_URL": None,
    "CACHE_REDIS_SENTINELS": (("127.0.0.1", 26379),),
    "CACHE_REDIS_SENTINEL_MASTER": "mymaster",
    "CACHE_REDIS_SENTINEL_PASSWORD": None,
    "CACHE_REDIS_CLUSTER": "",
    "CACHE_DIR": None,
}

#: The names that Flask-Caching had before its version 2.5, and Flask-Cache, by those it has now.
_OLD_NAMES: Final = {
    "null": "NullCache",
    "simple": "SimpleCache",
    "filesystem": "FileSystemCache",
    "redis": "RedisCache",
    "redissentinel": "RedisSentinelCache",
    "RedisSentinel": "RedisSentinelCache",
    "rediscluster": "RedisClusterCache",
    "memcached": "MemcachedCache",
    "gaememcached": "MemcachedCache",
    "saslmemcached": "SASLMemcachedCache",
    "spreadsaslmemcached": "SpreadSASLMemcachedCache",
    "spreadsaslmemcachedcache": "SpreadSASLMemcachedCache",
    "uwsgi": "UWSGICache",
    "gcs": "GoogleCloudStorageCache",
}
#: Its own stores by their places, which need not be installed any more.
_OWN_PLACES: Final = ("flask_caching.backends.", "flask_caching.contrib.", "flask_cache.backends.")


class Settings:
    """The settings of one application, looked over.

    Args:
        app: its configuration, and after it `given`.
        given: what goes before it.

    Raises:
        ConfigurationError: a setting cannot work; the message names it.
        OptionTypeError: a setting is of the wrong type.
    """

    def __init__(self, app: Flask, given: Mapping[str, Any]) -> None:
        self.all: dict[str, Any] = {**_DEFAULTS, **app.config, **given}
        self.default_timeout = (
            seconds_of(self.all["CACHE_DEFAULT_TIMEOUT"], name="CACHE_DEFAULT_TIMEOUT") or 0
        )
        self.ignore_errors = bool(self.all["CACHE_IGNORE_ERRORS"])
        self.source_check = bool(self.all["CACHE_SOURCE_CHECK"])
        self.sends_signals = bool(self.all["CACHE_ENABLE_SIGNALS"])
        self.hash_method = check_hash_method(self.all["CACHE_HASH_METHOD"], name="CACHE_HASH_METHOD")
        self.codec = self._make_codec()
        self.options = dict(self._typed("CACHE_OPTIONS", Mapping, "a dict") or {})
        self.args = list(self._typed("CACHE_ARGS", (list, tuple), "a list") or ())
        if "default_timeout" in self.options:
            self.default_timeout = seconds_of(self.options.pop("default_timeout")) or 0
        try:
            self.backend = self._make_backend(app)
        except (ConfigurationError, OptionTypeError) as error:
            if "CACHE_" in str(error):
                raise
            raise type(error)(f"CACHE_TYPE {self.all['CACHE_TYPE']}: {error}") from error

    @property
    def secret_keys(self) -> list[bytes] | None:
        """The keys that sign what a shared store gets, of SECRET_KEY and SECRET_KEY_FALLBACKS; None without one."""
        secrets = [self.all.get("SECRET_KEY"), *(self.all.get("SECRET_KEY_FALLBACKS") or ())]
        if not secrets[0]:
            return None
        return [_derived(secret) for secret in secrets if secret]

    def _make_codec(self) -> Codec:
        serializer = self.all["CACHE_SERIALIZER"]
        if serializer is not None:
            return GivenCodec(serializer)
        return ValueCodec(serializer=Values(pickles=self.secret_keys is not None))

    def _make_backend(self, app: Flask) -> CacheBackend:
        kind: str = self._typed("CACHE_TYPE", str, "a name or an import path") or "NullCache"
        name = kind.rpartition(".")[2] if kind.startswith(_OWN_PLACES) else kind
        name = _OLD_NAMES.get(name, name)
        if name == "NullCache" and not self.all["CACHE_NO_NULL_WARNING"]:
            warnings.warn(
                "CACHE_TYPE is NullCache: nothing is cached; CACHE_NO_NULL_WARNING = True says that this is meant",
                stacklevel=5,
            )
        if "." in name:
            return self._foreign(app, name)
        if name not in _MAKERS:
            raise ConfigurationError(
                f"CACHE_TYPE {kind!r} is unknown: there are {', '.join(_MAKERS)}, or the import path of a store"
            )
        if self.args:
            raise ConfigurationError(
                f"CACHE_ARGS is not taken with {name}: use the settings that name what is meant"
            )
        made = _MAKERS[name](self)
        if self.options:
            raise ConfigurationError(
                f"CACHE_OPTIONS has {', '.join(sorted(self.options))}, which {name} does not take"
            )
        return made

    def _foreign(self, app: Flask, path: str) -> CacheBackend:
        """Return the store at an import path: a backend of ours, or an object with the methods of `BaseCache`."""
        try:
            found: Any = import_string(path)
        except ImportError as error:
            raise ConfigurationError(f"CACHE_TYPE {path!r} cannot be imported: {error}") from error
        given = {"default_timeout": self.default_timeout, **self.options}
        if _is_backend(found):
            made = found(*self.args, **self.options)
        elif "cachelib" in path:
            made = found(*self.args, **given)
        else:
            made = getattr(found, "factory", found)(app, self.all, self.args, given)
        return made if isinstance(made, CacheBackend) else ForeignBackend(made)

    def _typed(self, name: str, kinds: Any, meant: str) -> Any:
        value = self.all[name]
        if value is not None and not isinstance(value, kinds):
            raise OptionTypeError(f"{name} must be {meant}, not {type(value).__name__}: {value!r}")
        return value

    @property
    def namespace(self) -> str:
        """The prefix that keeps this application's keys apart from others'."""
        return self._typed("CACHE_KEY_PREFIX", str, "a text") or ""

    def threshold(self) -> int | None:
        """Return how many entries there may be, None where 0 says that there is no bound."""
        value = self._typed("CACHE_THRESHOLD", int, "a number")
        return int(self.options.pop("threshold", value)) or None


HashMethod = Callable[..., Any]


def check_hash_method(value: object, *, name: str = "hash_method") -> HashMethod:
    """Return what makes a hash, or raise ConfigurationError."""
    if not callable(value):
        raise ConfigurationError(
            f"{name} must be a constructor of hashes, such as hashlib.sha256, not {value!r}"
        )
    return cast("HashMethod", value)


def _is_backend(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, CacheBackend)


def _derived(secret: str | bytes) -> bytes:
    """Return a key of its own, so that what is signed here is valid nowhere else, and the other way round."""
    text = secret.encode() if isinstance(secret, str) else secret
    return hashlib.blake2b(text, digest_size=32, person=b"cachelayer-flask").digest()


# -- each kind of store -----------------------------------------------------------------------------------------


def _null(settings: Settings) -> CacheBackend:
    return NullBackend()


def _simple(settings: Settings) -> CacheBackend:
    # There too 0 stands for 500.
    return InMemoryBackend(max_entries=settings.threshold() or 500)


def _file_system(settings: Settings) -> CacheBackend:
    directory = settings.all["CACHE_DIR"]
    if not directory:
        raise ConfigurationError("CACHE_TYPE FileSystemCache needs CACHE_DIR, the directory to store in")
    # It makes files that nobody else can read, which is the default there too.
    if settings.options.pop("mode", 0o600) not in (0o600, 600):
        raise ConfigurationError(
            "CACHE_OPTIONS has mode: files are readable by their owner alone; leave it out"
        )
    return DiskBackend(directory, max_entries=settings.threshold())


def _redis(settings: Settings) -> CacheBackend:
    given, url, options = settings.all, settings.all["CACHE_REDIS_URL"], _taken(settings)
    host = given["CACHE_REDIS_HOST"]
    if not url and not isinstance(host, str):
        return RedisBackend(client=host, namespace=settings.namespace)
    if not url:
        url = f"redis://{_authority(given)}{_bracketed(host)}:{given['CACHE_REDIS_PORT']}"
    parts = urlsplit(url)
    if parts.scheme != "unix" and not parts.path.strip("/") and "db=" not in parts.query:
        options = {"db": given["CACHE_REDIS_DB"], **options}
    return RedisBackend(url, namespace=settings.namespace, options=options)


def _redis_sentinel(settings: Settings) -> CacheBackend:
    given, options = settings.all, _taken(settings)
    hosts = ",".join(f"{_bracketed(host)}:{port}" for host, port in given["CACHE_REDIS_SENTINELS"])
    master = quote(given["CACHE_REDIS_SENTINEL_MASTER"], safe="")
    if given["CACHE_REDIS_SENTINEL_PASSWORD"]:
        options["sentinel_password"] = given["CACHE_REDIS_SENTINEL_PASSWORD"]
    url = f"redis+sentinel://{_authority(given)}{hosts}/{master}?db={given['CACHE_REDIS_DB']}"
    return RedisBackend(url, namespace=settings.namespace, options=options)


def _redis_cluster(settings: Settings) -> CacheBackend:
    given, options = settings.all, _taken(settings)
    url = given["CACHE_REDIS_URL"]
    if url:
        scheme, _, rest = url.partition("://")
        url = f"{scheme}+cluster://{rest}"
    elif given["CACHE_REDIS_CLUSTER"]:
        nodes = ",".join(node.strip() for node in given["CACHE_REDIS_CLUSTER"].split(","))
        url = f"redis+cluster://{_authority(given)}{nodes}"
    else:
        raise ConfigurationError("CACHE_TYPE RedisClusterCache needs CACHE_REDIS_CLUSTER, or CACHE_REDIS_URL")
    return RedisBackend(url, namespace=settings.namespace, options=options)


def _memcached(settings: Settings, *, split: bool = False) -> CacheBackend:
    given = settings.all
    if given["CACHE_MEMCACHED_USERNAME"] or given["CACHE_MEMCACHED_PASSWORD"]:
        raise ConfigurationError(
            "CACHE_MEMCACHED_USERNAME and CACHE_MEMCACHED_PASSWORD are not taken: SASL is not supported; keep the "
            "server in a network of its own, or use RedisCache"
        )
    servers = given["CACHE_MEMCACHED_SERVERS"] or ["127.0.0.1:11211"]
    return MemcachedBackend(servers, namespace=settings.namespace, split=split)


def _unsupported(name: str, instead: str) -> Callable[[Settings], CacheBackend]:
    def refuse(settings: Settings) -> CacheBackend:
        raise ConfigurationError(f"CACHE_TYPE {name} is not supported: {instead}")

    return refuse


_MAKERS: Final[Mapping[str, Callable[[Settings], CacheBackend]]] = {
    "NullCache": _null,
    "SimpleCache": _simple,
    "FileSystemCache": _file_system,
    "RedisCache": _redis,
    "RedisSentinelCache": _redis_sentinel,
    "RedisClusterCache": _redis_cluster,
    "MemcachedCache": _memcached,
    "SASLMemcachedCache": _memcached,
    "SpreadSASLMemcachedCache": partial(_memcached, split=True),
    "GoogleCloudStorageCache": _unsupported("GoogleCloudStorageCache", "use RedisCache or FileSystemCache"),
    "UWSGICache": _unsupported("UWSGICache", "use FileSystemCache, which the processes of a host share too"),
}


def _taken(settings: Settings) -> dict[str, Any]:
    """Return CACHE_OPTIONS for redis-py, which says itself what it does not take."""
    options, settings.options = settings.options, {}
    return options


def _authority(given: Mapping[str, Any]) -> str:
    password = given["CACHE_REDIS_PASSWORD"]
    return f":{quote(password, safe='')}@" if password else ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
