"""The build configuration and the tree agree."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
PACKAGES = BUILD["targets"]["wheel"]["packages"]


def test_every_integration_is_in_the_wheel():
    """A folder of integrations/ that the list lacks would import here and be absent from the wheel."""
    folders = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("integrations/*/__init__.py")}
    assert folders == set(PACKAGES) - {"cachelayer"}


def test_every_package_is_typed():
    """Each package of the wheel tells type checkers that it has types."""
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").is_file()] == []
