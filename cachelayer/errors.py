"""The errors a user can meet. Each derives from `CacheLayerError` and from the builtin one would expect."""

from __future__ import annotations


class CacheLayerError(Exception):
    """Base of every error that cachelayer raises by itself."""


class ConfigurationError(CacheLayerError, ValueError):
    """An option has a value that cannot work; the message names the option and the remedy."""


class OptionTypeError(CacheLayerError, TypeError):
    """An option or argument has the wrong type; the message names it and the remedy."""


class KeyingError(CacheLayerError, TypeError):
    """An argument cannot be turned into a key; the message names function, parameter and remedy."""


class EncodingError(CacheLayerError, TypeError):
    """A value cannot be encoded safely for a shared store."""


class DecodingError(CacheLayerError, ValueError):
    """Bytes from a store that are not an entry of ours: the caller counts a miss."""


class ComputationTimeoutError(CacheLayerError, TimeoutError):
    """A computation took longer than its `hard_timeout`; it goes on, and what it gives will be stored."""


class BackendError(CacheLayerError, ConnectionError):
    """A store failed or could not be reached."""


class BackendClosedError(CacheLayerError, RuntimeError):
    """A backend was used after its `close()`."""


class UnsupportedOperationError(CacheLayerError, NotImplementedError):
    """The store cannot do this; the message says what it would take."""


class MissingExtraError(CacheLayerError, ImportError):
    """An optional dependency is not installed; the message has the install line."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency: pip install 'cachelayer[{extra}]'")
