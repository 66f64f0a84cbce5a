"""Stores for tests of the command line."""

import pytest

from cachelayer import Cache
from tests.cli.support import used


@pytest.fixture
def store(tmp_path):
    """Return the URL of a store that an application has used, which has ended."""
    url = f"disk://{tmp_path}/cache.db"
    used(Cache(url)).close()
    return url


@pytest.fixture
def spaced(tmp_path):
    """Return the URL of such a store, where the application's cache has a namespace and a name."""
    url = f"disk://{tmp_path}/spaced.db"
    used(Cache(url, namespace="shop", name="pages")).close()
    return url
