"""Codecs that users register: issue 4, point 2."""

import dataclasses

import pytest

from cachelayer.errors import ConfigurationError, DecodingError, EncodingError, OptionTypeError
from cachelayer.values.codecs import ValueCodec
from cachelayer.values.numbers import OBJECTS
from cachelayer.values.registry import register_codec, unregister_codec


class Money:
    """A class of nobody's sort."""

    def __init__(self, amount, unit):
        self.amount, self.unit = amount, unit

    def __eq__(self, other):
        return (self.amount, self.unit) == (other.amount, other.unit)

    __hash__ = None


class Dear(Money):
    pass


@dataclasses.dataclass
class Purse:
    content: list


@pytest.fixture
def register():
    """Register codecs, and take them back."""
    registered = []

    def add(kind, *args, **kwargs):
        register_codec(kind, *args, **kwargs)
        registered.append(kind)

    yield add
    for kind in {*registered}:
        unregister_codec(kind)


def money(register, **options):
    """Register a codec of Money."""
    register(Money, lambda value: (value.amount, value.unit), lambda parts: Money(*parts), **options)


def again(value, annotation=None):
    """Return the value as it comes back."""
    number, data = ValueCodec(lambda: annotation).encode(value)
    return ValueCodec(lambda: annotation).decode(number, data)


def test_a_registered_class_needs_no_annotation(register):
    """20: it comes back from anywhere in a value, with any annotation or none."""
    money(register)
    for annotation in (None, dict, Purse):
        value = {"a": [Money(1, "x")], Money: 2}
        value.pop(Money)
        assert again(value, annotation) == value


def test_a_registered_class_works_within_those_of_the_annotation(register):
    """20: and its parts may hold whatever has a codec."""
    money(register)
    value = Purse([Money((1, {2}), "x")])
    copy = again(value, Purse)
    assert copy == value
    assert type(copy.content[0].amount) is tuple


def test_a_class_of_a_known_sort_needs_no_functions(register):
    """20: a dataclass is registered by its fields, without an annotation that names it."""
    with pytest.raises(EncodingError):
        again(Purse([1]))
    register(Purse)
    assert again({"a": Purse([1])}) == {"a": Purse([1])}


def test_subclasses_are_not_meant(register):
    """20: they would come back as their base."""
    money(register)
    with pytest.raises(EncodingError, match="Dear has no safe encoding"):
        again(Dear(1, "x"))


def test_the_name_is_part_of_the_bytes(register):
    """21: under another name, what was stored before is a miss."""
    money(register, name="money-1")
    number, data = ValueCodec().encode(Money(1, "x"))
    assert number == OBJECTS
    money(register, name="money-2", replace=True)
    with pytest.raises(DecodingError, match="changed, or is not known"):
        ValueCodec().decode(number, data)
    money(register, name="money-1", replace=True)
    assert ValueCodec().decode(number, data) == Money(1, "x")


def test_a_codec_that_is_not_registered_here_is_a_miss(register):
    """21: bytes of a process that registered more are a DecodingError."""
    money(register)
    number, data = ValueCodec().encode(Money(1, "x"))
    unregister_codec(Money)
    with pytest.raises(DecodingError):
        ValueCodec().decode(number, data)
    money(register)


def test_a_second_codec_is_refused(register):
    """Bad input: of one class, or of one name, there is one codec, unless replace=True says otherwise."""
    money(register, name="money")
    with pytest.raises(ConfigurationError, match=r"Money has a codec: pass replace=True"):
        money(register, name="other")
    with pytest.raises(ConfigurationError, match=r"a codec of that name, for .*Money: pass another name="):
        register(Dear, lambda value: None, lambda parts: None, name="money")
    assert again(Money(1, "x")) == Money(1, "x")


def test_a_class_that_is_defined_again_takes_its_codec_over(register):
    """Notebooks: running a cell twice is no collision."""
    old = dataclasses.make_dataclass("Cell", ["x"], namespace={"__module__": __name__})
    new = dataclasses.make_dataclass("Cell", ["x"], namespace={"__module__": __name__})
    register_codec(old)
    register(new)
    assert again(new(1)) == new(1)
    with pytest.raises(EncodingError):
        again(old(1))


@pytest.mark.parametrize("kind", [int, dict, type(None), bytes])
def test_types_of_the_library_keep_their_codecs(kind):
    """Bad input: int has a codec that cannot be replaced."""
    with pytest.raises(ConfigurationError, match="cannot be replaced"):
        register_codec(kind, lambda value: value, lambda parts: parts)


WRONG = {
    "no class": (("x",), {}, "takes a class, not 'x'"),
    "no functions": ((Money,), {}, "needs encode and decode for .*Money"),
    "one function": ((Money, repr), {}, "must both be callables"),
    "no callable": ((Money, 1, 2), {}, "must both be callables"),
    "empty name": ((Money, repr, repr), {"name": ""}, "a text that is not empty"),
    "no name": ((Money, repr, repr), {"name": 7}, "a text that is not empty"),
    "name alone": ((Purse,), {"name": "x"}, "name= goes with encode and decode"),
}


@pytest.mark.parametrize(("args", "kwargs", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused(args, kwargs, message):
    """Bad input: with an error that says what is wrong."""
    with pytest.raises(OptionTypeError, match=message):
        register_codec(*args, **kwargs)


def test_what_is_not_registered_cannot_be_taken_back():
    """Bad input: a class without a codec."""
    with pytest.raises(ConfigurationError, match="Money has no codec that was registered"):
        unregister_codec(Money)


def test_a_codec_that_fails_is_an_encoding_error(register):
    """DESIGN: whatever encode= and decode= raise, the result is returned uncached."""
    register(Money, lambda value: 1 / 0, lambda parts: None)
    with pytest.raises(EncodingError, match="Money cannot be encoded: ZeroDivisionError"):
        again(Money(1, "x"))
    register(Money, lambda value: 1, lambda parts: 1 / 0, replace=True)
    with pytest.raises(EncodingError, match="does not come back from its bytes: ZeroDivisionError"):
        again(Money(1, "x"))


def test_a_codec_that_loses_something_is_found_at_the_first_value(register):
    """Issue 4, 2: on first use of a codec for a type the round trip is checked."""
    register(Money, lambda value: value.amount, lambda amount: Money(amount, "x"))
    with pytest.raises(EncodingError, match="Money does not come back as it was"):
        again(Money(1, "y"))
    register(Money, lambda value: value.amount, lambda amount: Dear(amount, "x"), replace=True)
    with pytest.raises(EncodingError, match="Money does not come back as it was"):
        again(Money(1, "x"))


def test_bytes_that_break_a_codec_are_a_miss(register):
    """21: whatever decode= raises is a DecodingError."""
    money(register)
    number, data = ValueCodec().encode(Money(1, "x"))
    with pytest.raises(DecodingError):
        ValueCodec().decode(number, data.replace(b"\x93\x01\x01\xa1x", b"\x92\x01\x01"))
