"""An integration without its framework says what to install."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
sys.modules[{framework!r}] = None   # as if it were not installed
from cachelayer import MissingExtraError
try:
    import cachelayer_{framework}
except MissingExtraError as error:
    print(error)
"""


@pytest.mark.parametrize("framework", ["django", "flask", "starlette"])
def test_a_missing_framework_is_named_with_the_install_line(framework):
    """When the integration is imported, by an ImportError of ours."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(framework=framework)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"pip install 'cachelayer[{framework}]'" in ran.stdout, ran.stderr
