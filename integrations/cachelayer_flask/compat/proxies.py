"""The methods of `Cache` that its store answers. What is decorated goes through them too, for subclasses to watch."""

from __future__ import annotations

from typing import Any

from cachelayer_flask.compat.store import Store


class Proxies:
    """Hands each call to the store of the current application."""

    @property
    def cache(self) -> Store:
        """The store."""
        raise NotImplementedError

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """See `Store.get`."""
        return self.cache.get(*args, **kwargs)

    def has(self, *args: Any, **kwargs: Any) -> bool:
        """See `Store.has`."""
        return self.cache.has(*args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> bool | None:
        """See `Store.set`."""
        return self.cache.set(*args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """See `Store.add`."""
        return self.cache.add(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        """See `Store.delete`."""
        return self.cache.delete(*args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> list[str]:
        """See `Store.delete_many`."""
        return self.cache.delete_many(*args, **kwargs)

    def clear(self) -> bool:
        """See `Store.clear`."""
        return self.cache.clear()

    def get_many(self, *args: Any, **kwargs: Any) -> list[Any]:
        """See `Store.get_many`."""
        return self.cache.get_many(*args, **kwargs)

    def set_many(self, *args: Any, **kwargs: Any) -> list[Any]:
        """See `Store.set_many`."""
        return self.cache.set_many(*args, **kwargs)

    def get_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """See `Store.get_dict`."""
        return self.cache.get_dict(*args, **kwargs)

    def unlink(self, *args: Any, **kwargs: Any) -> list[str]:
        """See `Store.delete_many`."""
        return self.cache.unlink(*args, **kwargs)

    def inc(self, *args: Any, **kwargs: Any) -> int | None:
        """See `Store.inc`."""
        return self.cache.inc(*args, **kwargs)

    def dec(self, *args: Any, **kwargs: Any) -> int | None:
        """See `Store.dec`."""
        return self.cache.dec(*args, **kwargs)
