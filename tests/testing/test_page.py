"""docs/testing.md, run as the tests of a project: sybil runs its blocks, and pytest what they define."""

import re
from pathlib import Path

from tests.testing.projects import Project

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_page_is_a_project_whose_tests_pass(tmp_path):
    """Each example of a test, by fixture, context manager or suite, passes as it stands there."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    project = Project(tmp_path)
    conftest = [block for block in blocks if block.startswith("# conftest.py")]
    project.write(
        conftest="\n".join(conftest), test_page="\n".join(block for block in blocks if block not in conftest)
    )
    # Of the contract, which the suite's own tests run in full, one test in both colours.
    said = project.run("-v", "-k", "not TestMyBackend or test_empty_bytes_are_a_value", passed=11)
    assert said.count("PriceTest::") == said.count("TestMyBackend::") == 2
