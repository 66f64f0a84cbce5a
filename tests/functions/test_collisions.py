"""No two different calls share a key, whatever the arguments: acceptance functions.md 3, 4 and 7, by random search."""

import datetime as dt
import math
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer import Cache, cached

PAIRS = 100_000

#: Characters that keys and templates are made of, so that forgeries come up.
LETTERS = "ab01:;,()[]{}<>'\"%_-.@+/ #~sidfqlS\x00\ud800é"


def random_value(chance, depth=0):
    """Return a random value of a random type."""
    kind = chance.randrange(13 if depth < 3 else 8)
    if kind == 0:
        return chance.choice([None, True, False, "", b"", 0, 1, -1, 0.0, -0.0, 1.0])
    if kind in (1, 2):
        return "".join(chance.choices(LETTERS, k=chance.randrange(4)))
    if kind == 3:
        return chance.randrange(-3, 12)
    if kind == 4:
        return chance.choice([0.5, math.inf, 1e300, 1.0, 2.0])
    if kind == 5:
        return bytes(chance.choices(b"ab01", k=chance.randrange(3)))
    if kind == 6:
        return Decimal(chance.randrange(3))
    if kind == 7:
        return dt.date(2025, 1, chance.randrange(1, 4))
    items = [random_value(chance, depth + 1) for _ in range(chance.randrange(3))]
    if kind in (8, 9):
        return items
    if kind == 10:
        return tuple(items)
    flat = [random_value(chance, 3) for _ in range(chance.randrange(3))]
    return set(flat) if kind == 11 else {key: random_value(chance, depth + 1) for key in flat}


def identity(value):
    """Return what tells a value from any that is not the very same, independently of the library's encoding."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, tuple(map(identity, value))
    if kind is set:
        return kind, frozenset(map(identity, value))
    if kind is dict:
        return kind, frozenset((identity(key), identity(item)) for key, item in value.items())
    return kind, repr(value)


def test_a_hundred_thousand_random_calls_do_not_collide():
    """3: of 100,000 random calls with arguments of all kinds, no two different ones have one key."""

    @cached(cache=Cache())
    def f(a, b=None, *rest, c=0, **more): ...

    chance = random.Random(20250615)
    values = [random_value(chance) for _ in range(3000)]
    identities = [identity(value) for value in values]
    numbers = {known: number for number, known in enumerate(dict.fromkeys(identities))}
    pool = [(value, numbers[known]) for value, known in zip(values, identities, strict=True)]
    none = numbers[identity(None)]
    seen: dict[str, object] = {}
    same = 0
    for _ in range(PAIRS):
        (a, a_number), (b, b_number), (x, x_number) = chance.choices(pool, k=3)
        form = chance.randrange(5)
        if form == 0:
            call, key = (a_number, none), f.key_for(a)
        elif form == 1:
            call, key = (a_number, none, "x", x_number), f.key_for(a, x=x)
        elif form == 2:
            call, key = (a_number, b_number, x_number), f.key_for(a, b, x)
        else:
            call, key = (a_number, b_number), f.key_for(a, b)
        same += seen.setdefault(key, call) == call
    assert same == PAIRS
    assert len(seen) > PAIRS / 2


@pytest.mark.parametrize("key", [None, "k:{a}:{b}"], ids=["arguments", "template"])
def test_a_hundred_thousand_random_variations_do_not_collide(key):
    """3, 8: of 100,000 calls that vary with two random values, no two different ones have one key."""
    here = [None, None]
    f = cached(cache=Cache(), key=key, vary=[lambda: here[0], lambda: here[1]])(lambda a, b: None)
    chance = random.Random(20251122)
    pool = [(value, identity(value)) for value in (random_value(chance) for _ in range(1000))]
    numbers = {known: number for number, known in enumerate(dict.fromkeys(known for _, known in pool))}
    numbered = [(value, numbers[known]) for value, known in pool]
    seen: dict[str, object] = {}
    for _ in range(PAIRS // 2):
        chosen = chance.choices(numbered, k=4)
        (a, _), (b, _), (here[0], _), (here[1], _) = chosen
        call = tuple(number for _, number in chosen)
        assert seen.setdefault(f.key_for(a, b), call) == call


def test_items_of_batches_do_not_collide():
    """3, 37: each item, with what stands beside it, has a key of its own."""
    f = cached.batch(cache=Cache())(lambda items, more=None: {})
    chance = random.Random(7)
    seen: dict[str, object] = {}
    for _ in range(5000):
        item, more = random_value(chance, 1), random_value(chance, 2)
        call = identity((item, more))
        assert seen.setdefault(f.key_for(item, more), call) == call


# By repr, so that nan and -0.0 are what they are; sets and dicts are covered above.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(LETTERS, max_size=5),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.decimals(allow_nan=False),
    st.datetimes(),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.tuples(inner, inner)), max_leaves=6
)


@given(values, values)
def test_two_arguments_have_one_key_only_if_they_are_the_same(one, other):
    """2, 3: by search, the keys of two values are equal just where type and value are."""
    assert (keyed.key_for(one) == keyed.key_for(other)) == (identity(one) == identity(other))


@given(st.dictionaries(st.text(max_size=3), scalars), st.randoms(use_true_random=False))
def test_dict_order_does_not_matter(items, chance):
    """4: a dict filled in another order has the same key."""
    pairs = list(items.items())
    chance.shuffle(pairs)
    assert keyed.key_for(items) == keyed.key_for(dict(pairs))


@cached(cache=Cache())
def keyed(x):
    """Be keyed."""


TEMPLATES = [
    "u:{a}:{b}",
    "{a}:{b}",
    "{a}-{b}",
    "{a}_{b}",
    "{a}.{b}",
    "{a}@{b}",
    "{a}+{b}",
    "{a} {b}",
    "{a}/{b}",
    "x{a}:y:{b}z",
    "{a}-_-{b}",
    "{{{a}}}:{b}",
    "{a}1-2{b}",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_random_arguments_do_not_collide_in_a_template(template):
    """7: values in templates are escaped so that no two argument lists give one key."""
    f = cached(cache=Cache(), key=template)(lambda a, b: None)
    chance = random.Random(template)
    seen: dict[str, object] = {}
    for _ in range(2500):
        a, b = random_value(chance, 2), random_value(chance, 2)
        call = identity((a, b))
        assert seen.setdefault(f.key_for(a, b), call) == call
    texts = ["", *LETTERS, *(one + other for one in LETTERS for other in LETTERS)]
    seen.clear()
    for a in chance.sample(texts, 15):
        for b in texts:
            assert seen.setdefault(f.key_for(a, b), (a, b)) == (a, b)


@given(st.tuples(values, values), st.tuples(values, values), st.sampled_from(TEMPLATES))
def test_two_calls_have_one_text_only_if_they_are_the_same(one, other, template):
    """7: by search, a template gives two calls one key just where the values in it are the same."""
    f = cached(cache=Cache(), key=template)(lambda a, b: None)
    assert (f.key_for(*one) == f.key_for(*other)) == (identity(one) == identity(other))
