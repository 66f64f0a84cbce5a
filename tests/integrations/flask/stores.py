"""Stores that `CACHE_TYPE` names by their import path."""

from cachelayer_flask.compat import BaseCache

from cachelayer import InMemoryBackend


class DictCache(BaseCache):
    """A store written for Flask-Caching."""

    made = []  # noqa: RUF012 - what tests look at

    def __init__(self, shelf="none", **options):
        super().__init__(**options)
        self.shelf, self.values, self.timeouts = shelf, {}, []
        DictCache.made.append(self)

    @classmethod
    def factory(cls, app, config, args, kwargs):
        """Be made as its documentation says."""
        return cls(*args, config["SHELF"], **kwargs)

    def get(self, key):
        """Return the value or None."""
        return self.values.get(key)

    def set(self, key, value, timeout=None):
        """Store."""
        self.values[key] = value
        self.timeouts.append(timeout)
        return True

    def delete(self, key):
        """Remove."""
        return self.values.pop(key, None) is not None

    def has(self, key):
        """Whether it is there."""
        return key in self.values

    def clear(self):
        """Remove all."""
        self.values.clear()
        return True


def make_dict_cache(app, config, args, kwargs):
    """Make one as a function does, not a class."""
    return DictCache(config["SHELF"])


class SmallBackend(InMemoryBackend):
    """A backend of cachelayer's."""

    def __init__(self, entries):
        super().__init__(max_entries=entries)
