"""Every test here runs through both shells, over both kinds of store."""

import functools

import pytest

from tests.shells import SHELLS, STORES, Site


@pytest.fixture(params=STORES)
def store(request):
    """The kind of store."""
    return request.param


@pytest.fixture(params=SHELLS)
def site(request, store):
    """Make a site of one shell and one store: `site(origin, **options)`."""
    return functools.partial(Site, request.param, store)
