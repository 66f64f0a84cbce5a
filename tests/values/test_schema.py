"""Fingerprints: functions.md 21, the same in every process."""

import dataclasses
import enum
import subprocess
import sys
import typing

import msgspec
import pydantic
import pytest
import typing_extensions

from cachelayer.values.schema import fingerprint, schema_text, type_text

T = typing.TypeVar("T")

SOURCE = """
import dataclasses, enum, typing, uuid, datetime, decimal
import msgspec, pydantic

class Colour(enum.Enum):
    RED = 1
    BLUE = object()

class Struct(msgspec.Struct, tag=True):
    a: set[int] | None = None

class Model(pydantic.BaseModel):
    x: frozenset[str] = pydantic.Field(alias="X", json_schema_extra={"x": object()})
    y: "list[Model]" = []
    _z: int = 1

@dataclasses.dataclass
class Point:
    x: typing.Annotated[int, object()]
    y: dict[str, tuple[int, ...]] | uuid.UUID | None = None
    z: typing.Callable[[int], typing.Any] = print
    w: typing.Literal["a", 1, Colour.RED] = 1

from cachelayer.values.schema import fingerprint
print(fingerprint(dict[str, Point | Model | Struct | Colour]).hex())
"""


def test_a_fingerprint_is_the_same_in_every_process():
    """21: neither the hash seed nor an address is in it."""
    found = {
        subprocess.run(
            [sys.executable, "-c", SOURCE],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "random")
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 16


def dataclass(**fields):
    """Return a dataclass of these fields, each with a type and perhaps a default."""
    return dataclasses.make_dataclass("Thing", [(name, *rest) for name, rest in fields.items()])


def struct(fields, **config):
    """Return a Struct."""
    return msgspec.defstruct("Thing", fields, module="m", **config)


def model(**fields):
    """Return a model of pydantic."""
    return pydantic.create_model("Thing", **fields)


DIFFERENT = {
    "name of a field": (dataclass(x=(int,)), dataclass(y=(int,))),
    "type of a field": (dataclass(x=(int,)), dataclass(x=(str,))),
    "default": (dataclass(x=(int,)), dataclass(x=(int, 1))),
    "argument of a type": (dataclass(x=(list[int],)), dataclass(x=(list[str],))),
    "optional": (dataclass(x=(int,)), dataclass(x=(int | None,))),
    "literal": (dataclass(x=(typing.Literal[1],)), dataclass(x=(typing.Literal[True],))),
    "note": (dataclass(x=(typing.Annotated[int, 1],)), dataclass(x=(typing.Annotated[int, 2],))),
    "field of a Struct": (struct([("x", int)]), struct([("x", str)])),
    "default of a Struct": (struct([("x", int)]), struct([("x", int, 1)])),
    "name on the wire": (struct([("x", int)]), struct([("x", int)], rename="upper")),
    "tag": (struct([("x", int)]), struct([("x", int)], tag="t")),
    "array": (struct([("x", int)]), struct([("x", int)], array_like=True)),
    "field of a model": (model(x=(int, ...)), model(x=(str, ...))),
    "default of a model": (model(x=(int, ...)), model(x=(int, 1))),
    "member": (enum.Enum("E", "A B"), enum.Enum("E", "A C")),
    "value of a member": (enum.Enum("E", {"A": 1}), enum.Enum("E", {"A": 2})),
    "sort": (dataclass(x=(int,)), model(x=(int, ...))),
    "field of a tuple": (
        typing.NamedTuple("P", [("a", int)]),
        typing.NamedTuple("P", [("a", str)]),
    ),
    "annotation": (list[int], set[int]),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_every_change_gives_another_fingerprint(one, other):
    """21: names, types, presence of defaults, what is on the wire."""
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(one)


def test_classes_of_fields_are_part_of_it():
    """21: at any depth."""
    one, other = (dataclass(inner=(list[dataclass(x=(kind,))] | None,)) for kind in (int, str))
    assert fingerprint(list[one]) != fingerprint(list[other])


SAME = {
    "union": (int | None, typing.Optional[int]),  # noqa: UP045 - the older spelling is the case
    "list": (list[int], typing.List[int]),  # noqa: UP006
    "new type": (int, typing.NewType("N", int)),
    "default's value": (dataclass(x=(int, 1)), dataclass(x=(int, 2))),
    "factory": (dataclass(x=(list, dataclasses.field(default_factory=list))), dataclass(x=(list, None))),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_means_the_same_has_one_fingerprint(one, other):
    """21: a spelling, or a default's value, is no change of what is stored."""
    assert fingerprint(one) == fingerprint(other)


def test_texts_are_readable():
    """Errors show annotations by the same text."""
    assert type_text(dict[str, int | None]) == "dict[builtins.str, Union[builtins.int, builtins.NoneType]]"
    assert type_text(typing.Callable[[int], str]) == "Callable[[builtins.int], builtins.str]"
    assert type_text("Later") == "'Later'"
    assert type_text(typing.ForwardRef("Later")) == "'Later'"
    assert type_text(tuple[int, ...]) == "tuple[builtins.int, ellipsis]"
    assert type_text(T) == "T"
    assert schema_text(int) == "class builtins.int()"
    assert schema_text(dataclass(x=(int, 1))).endswith("Thing(x: builtins.int = ...)")


def test_an_alias_may_contain_itself():
    """21: as `type Json = dict[str, Json] | int` does."""
    alias = typing_extensions.TypeAliasType("Json", "dict[str, Json] | int")  # noqa: F821 - it is defined by this
    assert type_text(alias) == "'dict[str, Json] | int'"
    recursive = typing_extensions.TypeAliasType("Json", list["Json"])  # noqa: F821 - as above
    assert type_text(recursive) == "list['Json']"
    assert len(fingerprint(dict[str, recursive])) == 8
