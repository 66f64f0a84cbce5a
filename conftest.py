"""Runs the examples of README.md, of docs/ and of the docstrings as tests."""

from doctest import ELLIPSIS

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser
from sybil.sybil import SybilCollection

_PAGE_PARSERS = [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()]

pytest_collect_file = SybilCollection(
    [
        Sybil(_PAGE_PARSERS, filenames=["README.md"]),
        Sybil(_PAGE_PARSERS, path="docs", pattern="*.md"),
        Sybil([DocTestParser(optionflags=ELLIPSIS)], path="cachelayer", pattern="*.py"),
    ]
).pytest()
