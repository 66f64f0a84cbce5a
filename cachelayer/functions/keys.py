"""From a bound call to its key and tags."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from cachelayer.errors import ConfigurationError, KeyingError, OptionTypeError
from cachelayer.functions.encoding import UnkeyableError, class_name, encode, has_cache_key
from cachelayer.functions.options import TagsOf, Vary
from cachelayer.functions.parameters import Parameters, compile_function
from cachelayer.functions.receivers import Receivers
from cachelayer.functions.templates import TagTemplate, Template

#: Arguments longer than this stand in the key as a digest.
_LONGEST: Final = 200

#: The part of a context variable that has no value: no value's part begins like this.
_UNSET: Final = "~"

Key = str | Callable[..., Any] | None


class KeyMaker:
    """Makes the keys and tags of one function's calls.

    Args:
        parameters: the function's.
        name: how errors call the function.
        key: a template, a callable with the function's own signature, or None for all arguments.
        tags: templates, and callables of the result and the arguments.
        ignore: parameters that are left out of the key.
        vary: what the key has beside the arguments: context variables, and callables without arguments.

    Raises:
        ConfigurationError: a template or `ignore` names an unknown parameter.
        OptionTypeError: an option is of the wrong type.
    """

    def __init__(
        self,
        parameters: Parameters,
        name: str,
        *,
        key: Key,
        tags: Iterable[str | TagsOf],
        ignore: Iterable[str],
        vary: Iterable[Vary] = (),
    ) -> None:
        self._parameters, self._name = parameters, name
        self.receivers = Receivers()
        self.ignored = _checked_ignore(ignore, parameters, name)
        self._callable = key if callable(key) else None
        self._template = Template(key, parameters.names, f"key= of {name}") if isinstance(key, str) else None
        if key is not None and not self._callable and not self._template:
            raise OptionTypeError(
                f"key= of {name} must be a template or a callable, not {type(key).__name__}"
            )
        self.vary = tuple(vary)
        given = tuple(tags)
        self._tags = [
            TagTemplate(tag, parameters.names, f"tags= of {name}") for tag in given if isinstance(tag, str)
        ]
        self._tags_of = [tag for tag in given if not isinstance(tag, str)]

    @property
    def custom(self) -> bool:
        """Whether the user says what the key is."""
        return bool(self._callable or self._template)

    @property
    def takes_receiver(self) -> bool:
        """Whether a method's first parameter is part of the key."""
        return not self.custom and not self.ignored.intersection(self._parameters.positional[:1])

    def key(self, identity: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, method: bool) -> str:
        """Return the key of a bound call.

        Args:
            identity: what tells this function from others, where the user does not say what the key is.
            args: positional arguments, defaults included.
            kwargs: keyword-only arguments.
            method: whether the first argument is the instance or class that the function is bound to.

        Raises:
            KeyingError: an argument cannot be keyed; says which, and the remedy.
        """
        if self._callable is not None:
            key = self._shown(self._callable(*args, **kwargs))
        elif self._template is not None:
            key = self._template.render(dict(self._parameters.items(args, kwargs)))
        else:
            return _joined(identity, "".join((*self._parts(args, kwargs, method), *self._varying())))
        # The length keeps a key that ends like another's with its variation apart from it.
        return f"{len(key)}:{key}~{''.join(self._varying())}" if self.vary else key

    def compile(self, identity: str, *, method: bool) -> Callable[[tuple[Any, ...], dict[str, Any]], str]:
        """Return a generated function that makes the same keys as `key` does of all arguments, faster."""
        if self._parameters.var_keyword or self.vary:
            return partial(self._key_of_call, identity, method)
        parts: list[str] = []
        for place, name in enumerate(self._parameters.positional):
            if name not in self.ignored:
                receiver = method and place == 0
                parts.append(f"_receiver({name!r}, args[0])" if receiver else _encoded(f"args[{place}]"))
        if self._parameters.var_positional and self._parameters.var_positional not in self.ignored:
            parts.append(f"_encode(args[{len(self._parameters.positional)}:])")
        parts += [
            _encoded(f"kwargs[{name!r}]")
            for name in self._parameters.keyword_only
            if name not in self.ignored
        ]
        source = (
            "def _key(args, kwargs):\n"
            "    try:\n"
            f"        text = {' + '.join(parts) or repr('')}\n"
            "    except _Unkeyable:\n"
            "        return _explained(args, kwargs)\n"
            f"    return _start + text + ')' if len(text) <= {_LONGEST} else _joined(_identity, text)\n"
            "_cl_compiled = _key\n"
        )
        scope: dict[str, Any] = {
            "_encode": encode,
            "_receiver": self._receiver,
            "_joined": _joined,
            "_identity": identity,
            "_start": identity + "(",
            "_type": type,
            "_Unkeyable": UnkeyableError,
            "_explained": partial(self._key_of_call, identity, method),
        }
        return compile_function(self._name, source, scope)

    def tags(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """Return the tags of a bound call."""
        if not self._tags:
            return ()
        arguments = dict(self._parameters.items(args, kwargs))
        return tuple(template.render(arguments) for template in self._tags)

    @property
    def has_result_tags(self) -> bool:
        """Whether there are tags that only a result names."""
        return bool(self._tags_of)

    def result_tags(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[str]:
        """Yield the tags that this result of a bound call names; raises OptionTypeError where one is no str."""
        for tags_of in self._tags_of:
            named = tags_of(result, *args, **kwargs)
            tags: Iterable[Any] = (named,)
            if named is None:
                continue
            if isinstance(named, Iterable) and not isinstance(named, str):
                tags = named
            for tag in tags:
                if not isinstance(tag, str):
                    raise OptionTypeError(
                        f"tags= of {self._name}: {_name_of(tags_of)} must return a tag, several, or None, "
                        f"not {type(tag).__name__} {tag!r}"
                    )
                yield tag

    def explain(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, method: bool) -> dict[str, str]:
        """Return each parameter with its part of the key, "" where it has none."""
        parts = iter(self._parts(args, kwargs, method))
        arguments = {
            name: "" if name in self.ignored else next(parts)
            for name, _ in self._parameters.items(args, kwargs)
        }
        for each, part in zip(self.vary, self._varying(), strict=True):
            name, count = f"vary={_name_of(each)}", 1
            while name in arguments:
                count += 1
                name = f"vary={_name_of(each)} ({count})"
            arguments[name] = part
        return arguments

    def _varying(self) -> Iterable[str]:
        """Return the parts of the key that are no arguments."""
        return [self._variation(each) for each in self.vary]

    def _variation(self, vary: Vary) -> str:
        try:
            value = vary.get() if isinstance(vary, ContextVar) else vary()
        except LookupError:
            if not isinstance(vary, ContextVar):
                raise
            return _UNSET
        try:
            return encode(value)
        except UnkeyableError as error:
            raise KeyingError(
                f"{self._name}: vary={_name_of(vary)} gave {value!r}, which cannot be part of a key: {error}"
            ) from None

    def _parts(self, args: tuple[Any, ...], kwargs: dict[str, Any], method: bool) -> Iterable[str]:
        first = method
        for name, value in self._parameters.items(args, kwargs):
            is_receiver, first = first, False
            if name not in self.ignored:
                yield self._receiver(name, value) if is_receiver else self._argument(name, value)

    def _argument(self, name: str, value: Any) -> str:
        try:
            return encode(value)
        except UnkeyableError as error:
            raise KeyingError(
                f"{self._name}: argument {name!r} ({type(value).__name__}) cannot be part of a key: {error}. Leave it "
                f"out with ignore=({name!r},), say what the key is with key=, or give its class a __cache_key__ method"
            ) from None

    def _key_of_call(self, identity: str, method: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        return self.key(identity, args, kwargs, method=method)

    def _receiver(self, name: str, value: Any) -> str:
        if isinstance(value, type):
            named = class_name(value)
            self.receivers.note_class(value, named)
            return f"@{len(named)}:{named}"
        if has_cache_key(value):
            return self._argument(name, value)
        try:
            return f"@{self.receivers.get(value).number};"
        except TypeError:
            pass
        # By its value, then, as any other argument: an int, a named tuple, a frozen dataclass with slots.
        try:
            return encode(value)
        except UnkeyableError:
            raise KeyingError(
                f"{self._name}: instances of {type(value).__name__} take no weak references, so that they cannot be "
                f"told apart: give the class a __cache_key__ method or __weakref__ in its __slots__, or use key="
            ) from None

    def _shown(self, key: Any) -> str:
        if type(key) is str:
            return key
        try:
            return encode(key)
        except UnkeyableError as error:
            raise KeyingError(
                f"key= of {self._name} returned {key!r}, which cannot be a key: {error}"
            ) from None


def _name_of(given: Any) -> str:
    return given.name if isinstance(given, ContextVar) else getattr(given, "__qualname__", repr(given))


def _encoded(source: str) -> str:
    """Return source that encodes what `source` gives; short ints and texts, the most of all, without a call."""
    return (
        f"(f'i{{_v}};' if (_t := _type(_v := {source})) is int and -9e15 < _v < 9e15 "
        f"else f's{{len(_v)}}:{{_v}}' if _t is str else _encode(_v))"
    )


def _joined(identity: str, text: str) -> str:
    if len(text) <= _LONGEST:
        return f"{identity}({text})"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
    return f"{identity}#{digest}"


def _checked_ignore(ignore: Iterable[str], parameters: Parameters, name: str) -> frozenset[str]:
    names = frozenset(ignore)
    unknown = names - parameters.names
    if unknown:
        raise ConfigurationError(
            f"ignore= of {name} names unknown parameters {sorted(unknown)}; known are {sorted(parameters.names)}"
        )
    return names
