"""What the built wheel holds and installs; run by tools/test.py, which names it in CACHELAYER_WHEEL."""

import importlib.util
import os
import sysconfig
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [Path(path).name for path in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
FILES = zipfile.ZipFile(os.environ["CACHELAYER_WHEEL"]).namelist()


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_installed_and_not_the_tree(package: str):
    """Each package is found in site-packages, so that this run tests the wheel."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(sysconfig.get_path("purelib"))


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed(package: str):
    """Each package brings its py.typed."""
    assert f"{package}/py.typed" in FILES


def test_wheel_holds_the_packages_and_nothing_else():
    """No tests, tools or caches travel along."""
    folders = {name.split("/")[0] for name in FILES}
    assert folders - {folder for folder in folders if folder.endswith(".dist-info")} == set(PACKAGES)
    assert [name for name in FILES if "__pycache__" in name] == []


def test_core_dependencies():
    """Without extras only the declared few are installed."""
    core = {line for line in requires("cachelayer") or [] if "extra ==" not in line}
    assert core == set(PROJECT["project"]["dependencies"])
