"""What the operations of a backend touch, as tables: which keys, how many, and what stands for an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from cachelayer.backends.base import check_item, check_key
from cachelayer.backends.generations import generation_key, lease_key, new_generation

Args = tuple[Any, ...]

#: Operations on one key, their first argument.
_OF_ONE: Final = frozenset(
    {"get", "set", "delete", "exists", "get_entry", "add", "touch", "incr", "compare_and_set"}
)
#: Operations on several keys or names, their first argument.
_OF_MANY: Final = frozenset(
    {
        "get_many",
        "set_many",
        "delete_many",
        "get_entries",
        "generations",
        "bump_generations",
        "soften_generations",
    }
)
#: Operations on several names of generations, rather than keys.
_OF_NAMES: Final = frozenset({"generations", "bump_generations", "soften_generations"})
#: What a failure to make good what was missed is called, where nothing else was asked for.
REPLAY: Final = "replay"
#: Operations on the whole store, which take as long as it is large.
OF_ALL: Final = frozenset({"clear", "keys", "scan", REPLAY})

#: What an operation gives instead of an answer where the store fails. What is not here cannot be guessed: it raises.
INSTEAD: Final[dict[str, Callable[[Args], Any]]] = {
    "get": lambda args: None,
    "get_many": lambda args: {},
    "get_entry": lambda args: None,
    "get_entries": lambda args: {},
    "set": lambda args: False,
    "set_many": lambda args: 0,
    "add": lambda args: False,
    "touch": lambda args: False,
    "compare_and_set": lambda args: False,
    "delete": lambda args: False,
    "delete_many": lambda args: 0,
    "exists": lambda args: False,
    "clear": lambda args: 0,
    # Never used before, as those of a store that lost them: nothing that is stored can have them.
    "generations": lambda args: {name: new_generation() for name in args[0]},
    "bump_generations": lambda args: None,
    "soften_generations": lambda args: None,
    "acquire_lease": lambda args: False,
    "release_lease": lambda args: False,
}


def is_idle(operation: str, args: Args) -> bool:
    """Whether the operation is about nothing, and so does not ask the store."""
    return operation in _OF_MANY and not args[0]


def size_of(operation: str, args: Args) -> int:
    """Return how many keys an operation is about."""
    return len(args[0]) if operation in _OF_MANY else 1


def keys_of(operation: str, args: Args) -> Iterable[str] | None:
    """Return the keys that an operation reads or changes; None for all there are."""
    if operation == "compare_and_set":
        return (args[0], *args[2])
    if operation in _OF_ONE:
        return (args[0],)
    if operation in _OF_NAMES:
        return map(generation_key, args[0])
    if operation in _OF_MANY:
        return args[0]  # type: ignore[no-any-return] # a list, or a mapping by key
    return None if operation in OF_ALL else (lease_key(args[0]),)


def check(operation: str, args: Args) -> None:
    """Raise OptionTypeError for keys and values of the wrong type: a store that is away does not look at them."""
    if operation in {"set", "add", "compare_and_set"}:
        check_item(args[0], args[1])
    elif operation == "set_many":
        for key, value in args[0].items():
            check_item(key, value)
    elif operation in _OF_ONE:
        check_key(args[0])
    elif operation in _OF_MANY:
        for key in args[0]:
            check_key(key)
