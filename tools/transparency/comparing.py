"""Runs a test suite, and tells what became of each test."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

ROOT: Final = Path(__file__).resolve().parents[2]
#: Whatever the suites' own configuration says.
_PYTEST: Final = (
    "-m", "pytest", "-q", "--no-header", "--tb=no", "-rN", "-p", "no:cacheprovider", "-o", "timeout=120",
)  # fmt: skip


def outcomes(
    python: Path, source: Path, tests: str, report: Path, *, wrapped: bool, collapse: bool = True
) -> dict[str, str]:
    """Run the tests in a source distribution, with the middleware or without; return what became of each."""
    done = subprocess.run(
        [python, *_PYTEST, f"--junitxml={report}", *(("-p", "wrapping") if wrapped else ()), tests],
        cwd=source,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, Path(__file__).parent))),
            **({} if collapse else {"NO_COLLAPSE": "1"}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    print("\n".join(done.stdout.splitlines()[-2:]), flush=True)
    if not report.exists():
        print(done.stdout, done.stderr)
        return {}
    cases = ElementTree.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}": _became(case) for case in cases}


def compared(without: dict[str, str], within: dict[str, str]) -> list[str]:
    """Print what came of both runs; return the tests of which something else became."""
    different = sorted(test for test in without | within if without.get(test) != within.get(test))
    for test in different:
        print(f"  {test}: {without.get(test)} without, {within.get(test)} with the middleware")
    print(f"  {_counted(without)} without; {_counted(within)} with; {len(different)} differ", flush=True)
    return different


def _became(case: ElementTree.Element) -> str:
    return next((part.tag for part in case if part.tag in ("failure", "error", "skipped")), "passed")


def _counted(found: dict[str, str]) -> str:
    return (
        ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(found.values()).items()))
        or "nothing ran"
    )
