"""Runs the examples of README.md, of docs/ and of the docstrings as tests."""

from doctest import ELLIPSIS
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser
from sybil.sybil import SybilCollection

from cachelayer import configure


def _fresh_default_cache(namespace: dict[str, Any]) -> None:
    """Give each page a default cache of its own, whatever the pages before it cached and counted."""
    configure(replace=True)


_PAGE_PARSERS = [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()]

pytest_collect_file = SybilCollection(
    [
        Sybil(_PAGE_PARSERS, filenames=["README.md"], setup=_fresh_default_cache),
        Sybil(_PAGE_PARSERS, path="docs", pattern="*.md", setup=_fresh_default_cache),
        Sybil([DocTestParser(optionflags=ELLIPSIS)], path="cachelayer", pattern="*.py"),
    ]
).pytest()
