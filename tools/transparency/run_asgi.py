"""Runs test suites of frameworks with the ASGI middleware around every application that they make, and without it.

Usage: python tools/transparency/run_asgi.py [starlette] [fastapi] [falcon]

Each suite comes with its source distribution, which pip downloads into a temporary folder; so do its own requirements.
Nothing may differ between the two runs, test by test. Exits with 1 where something does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

ROOT: Final = Path(__file__).resolve().parents[2]
PLUGIN: Final = Path(__file__).parent


@dataclass(frozen=True)
class Suite:
    """One framework's tests.

    Attributes:
        release: what pip is to download.
        needs: what its tests import, beside the framework.
        options: for pytest.
    """

    release: str
    needs: tuple[str, ...]
    options: tuple[str, ...] = ()


_COMMON: Final = (
    "httpx",
    "httpx2[zstd]",
    "pytest>=9,<9.2",
    "pytest-timeout",
    "anyio[trio]",
    "msgspec",
    "http-sf",
    "wrapt",
)
SUITES: Final = {
    "starlette": Suite(
        "starlette[full]>=1.10,<1.11", (*_COMMON, "blockbuster", "importlib-metadata", "opentelemetry-sdk", "trio")
    ),
    "fastapi": Suite(
        "fastapi[all]>=0.165,<0.166",
        (
            *_COMMON, "dirty-equals", "inline-snapshot", "pyjwt", "sqlmodel", "orjson", "ujson", "flask", "a2wsgi",
            "strawberry-graphql", "python-slugify", "pwdlib[argon2]", "typer", "pyyaml", "pydantic-extra-types",
            "opentelemetry-instrumentation-fastapi", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http",
            "sentry-sdk", "logfire", "ty", "mypy", "pytest-xdist",
        ),
    ),
    "falcon": Suite(
        "falcon>=4.4,<4.5",
        (
            *_COMMON, "pyyaml", "requests", "aiofiles", "uvicorn", "websockets", "cbor2", "msgpack", "mujson", "ujson",
            "python-rapidjson", "orjson",
        ),
    ),
}  # fmt: skip


def main() -> int:
    """Run the suites that the command line names; return the exit status."""
    names = sys.argv[1:] or list(SUITES)
    if unknown := set(names) - set(SUITES):
        print(f"there is no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
        return 2
    with tempfile.TemporaryDirectory(prefix="transparency-") as folder:
        differing = [run(name, Path(folder) / name) for name in names]
        return int(any(differing))


def run(name: str, folder: Path) -> bool:
    """Run one suite both ways, and print what came of it; whether anything differs."""
    suite = SUITES[name]
    source, python = unpacked(suite, folder), environment(suite, folder)
    without = outcomes(suite, python, source, folder / "without.xml", wrapped=False)
    within = outcomes(suite, python, source, folder / "with.xml", wrapped=True)
    different = sorted(test for test in without | within if without.get(test) != within.get(test))
    for test in different:
        print(f"  {test}: {without.get(test)} without, {within.get(test)} with the middleware")
    print(f"{name}: {counted(without)} without; {counted(within)} with; {len(different)} differ", flush=True)
    return bool(different) or "passed" not in within.values()


def unpacked(suite: Suite, folder: Path) -> Path:
    """Return the folder of the suite's source distribution."""
    bare = suite.release.partition("[")[0] + suite.release.rpartition("]")[2]
    call(
        sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, bare
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def environment(suite: Suite, folder: Path) -> Path:
    """Return the Python of an environment with the framework and all that its tests need."""
    call(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    call(python, "-m", "pip", "install", "-q", suite.release, *suite.needs)
    return python


def outcomes(suite: Suite, python: Path, source: Path, report: Path, *, wrapped: bool) -> dict[str, str]:
    """Run the tests; return what became of each."""
    command: list[str | Path] = [
        python,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "-o",
        "timeout=120",
    ]
    command += [
        "--tb=no",
        f"--junitxml={report}",
        *suite.options,
        *(("-p", "asgi_plugin") if wrapped else ()),
        "tests",
    ]
    paths = os.pathsep.join(map(str, (ROOT, PLUGIN)))
    done = subprocess.run(
        command,
        cwd=source,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    print("\n".join(done.stdout.splitlines()[-2:]), flush=True)
    if not report.exists():
        print(done.stdout, done.stderr)
        return {}
    cases = ElementTree.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}": became(case) for case in cases}


def became(case: ElementTree.Element) -> str:
    """Return the outcome of one test."""
    return next((part.tag for part in case if part.tag in ("failure", "error", "skipped")), "passed")


def counted(found: dict[str, str]) -> str:
    """Return how many tests came to what."""
    kinds = sorted(set(found.values()))
    return ", ".join(f"{list(found.values()).count(kind)} {kind}" for kind in kinds) or "nothing ran"


def call(*command: object) -> None:
    """Run a command, or raise."""
    subprocess.run([str(word) for word in command], check=True)


if __name__ == "__main__":
    sys.exit(main())
