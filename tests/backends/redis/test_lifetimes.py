"""Lifetimes in milliseconds."""

import pytest

from cachelayer.backends.redis.lifetimes import milliseconds
from cachelayer.errors import ConfigurationError, OptionTypeError


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [(None, None), (1, 1000), (0.05, 50), (0.0001, 1), (1.0001, 1001), (0, 0), (-1, 0), (1e300, 10**14)],
)
def test_seconds_become_whole_milliseconds(ttl: float | None, expected: int | None):
    """A lifetime is rounded up, never to nothing; what Redis could not count is cut to 3,000 years (10)."""
    assert milliseconds(ttl) == expected


@pytest.mark.parametrize("ttl", [True, "60", object()], ids=["bool", "str", "object"])
def test_what_is_no_number_is_refused(ttl):
    """Another type raises a TypeError (10)."""
    with pytest.raises(OptionTypeError, match="ttl must be seconds"):
        milliseconds(ttl)


@pytest.mark.parametrize("ttl", [float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(ttl: float):
    """Neither nan nor infinity is a lifetime: None is for ever (10)."""
    with pytest.raises(ConfigurationError, match="or None for ever"):
        milliseconds(ttl)
