"""Reasons: the words in which decisions are told, and the page that spells them out."""

import re
from pathlib import Path

import pytest

from cachelayer.http import Reason

PAGE = Path(__file__).parents[2] / "docs" / "http.md"


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_a_reason_is_a_token_and_explains_itself(reason):
    """What goes into `detail=` needs no quotes, and each has a sentence [http 18]."""
    assert re.fullmatch(r"[A-Z][A-Z-]*", reason)
    assert reason.explanation.endswith(".")
    assert Reason(str(reason)) is reason


def test_the_page_lists_them_all():
    """`explain` links to a page, and that says the same [http 18]."""
    listed = re.findall(r"^\| `([A-Z-]+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert listed == [(reason.value, reason.explanation) for reason in Reason]
