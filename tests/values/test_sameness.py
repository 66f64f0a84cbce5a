"""What "came back as it was" means: functions.md 20."""

import dataclasses
import datetime as dt
import decimal
import math
import typing

import numpy as np
import pytest

from cachelayer.values.sameness import is_same

NAN, OTHER_NAN = math.nan, float("nan")


@dataclasses.dataclass
class Point:
    x: typing.Any


def more(value):
    """Return the point with something beside its fields."""
    value.more = 1
    return value


SAME = [
    (NAN, OTHER_NAN),
    ({NAN, 1}, {OTHER_NAN, 1}),
    ({(NAN, 1), (NAN, 2)}, {(OTHER_NAN, 2), (OTHER_NAN, 1)}),
    ({NAN: [1]}, {OTHER_NAN: [1]}),
    (Point({NAN}), Point({OTHER_NAN})),
    ([np.arange(3)], [np.arange(3)]),
    (decimal.Decimal("sNaN"), decimal.Decimal("sNaN")),
    (Point(1), more(Point(1))),
]

DIFFERENT = [
    (1, True),
    (1, 1.0),
    ([1], (1,)),
    ({1}, {True}),
    ({1, 2}, {1, 3}),
    ({NAN}, {1}),
    ({NAN, 1}, {OTHER_NAN, OTHER_NAN + 1}),
    ({1: 2}, {True: 2}),
    ({1: 2}, {1: 2.0}),
    ([1], [1, 2]),
    (Point(1), Point(True)),
    (more(Point(1)), Point(1)),
    (np.arange(3), np.arange(3.0)),
    (np.arange(3), np.arange(4)),
    (
        dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2025, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    ),
    (dt.time(1, fold=0), dt.time(1, fold=1)),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=map(str, range(len(SAME))))
def test_equal_values_of_the_same_types_are_the_same(one, other):
    """20: nan is nan; arrays are equal where all of their items are."""
    assert is_same(one, other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=map(str, range(len(DIFFERENT))))
def test_values_of_other_types_are_not_the_same(one, other):
    """20: however equal they are."""
    assert not is_same(one, other)
