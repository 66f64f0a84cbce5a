"""The examples in the docstrings of the integration run."""

import doctest
import importlib
import pkgutil

import cachelayer_starlette
import pytest

MODULES = [
    module.name for module in pkgutil.iter_modules(cachelayer_starlette.__path__, "cachelayer_starlette.")
]


def test_there_are_examples():
    """Of the three ways to use it."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert {test.name.rpartition(".")[2] for test in found} == {
        "cached_view",
        "cache_control",
        "dashboard_users",
    }


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    """Each module by itself."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
