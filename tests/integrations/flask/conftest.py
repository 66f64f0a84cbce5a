"""Flask-Caching and what stands in for it."""

import importlib

import pytest


@pytest.fixture(params=["cachelayer_flask.compat", "flask_caching"])
def library(request):
    """Both, for what they have in common; Flask-Caching where it is installed."""
    if request.param == "flask_caching":
        pytest.importorskip("flask_caching")
    return importlib.import_module(request.param)
