"""Very many routes and keys: labels, memory and the page stay as they are."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.soak import ENTRIES, ROUTES

ROOT = Path(__file__).parents[2]
KEYS = 20_000


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What a process of its own says after 10,000 routes, at half of the keys and at the end."""
    words = [sys.executable, "-m", "tests.dashboard.soak", str(KEYS)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=55)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_labels_are_bounded_and_nothing_is_lost(found: dict[str, Any]):
    """500 labels and `<other>`, which together have every request [observability 13]."""
    assert found["routes"] == ROUTES
    assert found["end"]["labels"] == 501
    assert found["end"]["requests"] == KEYS


def test_the_page_is_bounded(found: dict[str, Any]):
    """50 rows of it, whatever there is; the API's report has every label [observability 13]."""
    assert found["end"]["page_bytes"] < 600_000
    assert found["end"]["report_bytes"] < 1.2 * found["half"]["report_bytes"]


def test_memory_is_bounded(found: dict[str, Any]):
    """The second half of the keys takes no more than noise [observability 13]."""
    assert found["end"]["entries"] <= ENTRIES
    assert found["end"]["memory_bytes"] < found["half"]["memory_bytes"] + 16 * 1024 * 1024
