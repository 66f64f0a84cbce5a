"""What a view is called with: its request, and what of its arguments tells its responses apart."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin

from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from cachelayer.errors import ConfigurationError, KeyingError, OptionTypeError
from cachelayer.functions.encoding import UnkeyableError, encode
from cachelayer.http.checks import names
from cachelayer.values.schema import fingerprint

#: Parameters that a view has for FastAPI only, which fills them in and shows them in no schema.
_REQUEST: Final = "cachelayer_request"
_RESPONSE: Final = "cachelayer_response"

#: Arguments that are the request itself, or ways to answer it: none of them tells two requests for a URL apart.
_OF_REQUEST: Final = (HTTPConnection, Response, BackgroundTasks)
_SECURITY_SCOPES: Final = "SecurityScopes"


class Call(NamedTuple):
    """One call of a view.

    Attributes:
        request: what it answers.
        response: that to which FastAPI adds what a view returns, if it is called by FastAPI.
        args: positional arguments for the view.
        kwargs: keyword arguments for the view.
    """

    request: Request
    response: Response | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Arguments:
    """The parameters of one view.

    Args:
        view: the function.
        label: how errors call it.
        ignore: parameters on which the response does not depend.

    Raises:
        ConfigurationError: `ignore` names no parameter.
        OptionTypeError: the view has no signature that can be read, yields, or answers a WebSocket.
    """

    def __init__(self, view: Callable[..., Any], label: str, ignore: Iterable[str]) -> None:
        if inspect.isgeneratorfunction(view) or inspect.isasyncgenfunction(view):
            raise OptionTypeError(
                f"{label} yields what it answers, which cannot be kept as one value: return a StreamingResponse"
            )
        signature = _signature(view, label)
        if _annotated(signature, WebSocket) is not None:
            raise OptionTypeError(
                f"{label} answers a WebSocket, which there is nothing to keep of: leave cached_view out"
            )
        self.label = label
        returns: Any = signature.return_annotation
        #: The annotation of what it returns, or None.
        self.returns = None if returns is inspect.Signature.empty else returns
        parameters = signature.parameters
        self.names = frozenset(parameters)
        self._ignored = _checked(ignore, self.names, label)
        self._request = _annotated(signature, Request) or _REQUEST
        self._response = _annotated(signature, Response) or _RESPONSE
        self.signature = _with_hidden(signature, {self._request: Request, self._response: Response})
        self._identity: str | None = None

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """Return a call as the view is to get it; None where nobody says which request it is for."""
        request: Any = kwargs.get(self._request)
        response: Any = kwargs.get(self._response)
        if request is None:
            found: list[Any] = [argument for argument in args if isinstance(argument, Request)]
            request = found[0] if found else None
        shown = {name: value for name, value in kwargs.items() if name not in (_REQUEST, _RESPONSE)}
        if not isinstance(request, Request):
            return None
        return Call(request, response, args, shown)

    def values(self, call: Call) -> dict[str, Any]:
        """Return what a tag may name: parameters of the path, and arguments."""
        return {**call.request.path_params, **call.kwargs}

    def key(self, call: Call) -> bytes:
        """Return what tells the responses of a view for one URL apart, or raise KeyingError.

        FastAPI gives arguments by name: of headers, of cookies, and what dependencies returned.
        """
        parts = [self._name()]
        for name, value in sorted(call.kwargs.items()):
            if name not in self._ignored and not _is_of_request(value):
                parts.append(f"{name}={self._encoded(name, value)}")
        return (
            hashlib.blake2b("".join(parts).encode("utf-8", "surrogatepass"), digest_size=16)
            .hexdigest()
            .encode()
        )

    def _encoded(self, name: str, value: Any) -> str:
        try:
            return encode(value)
        except UnkeyableError as error:
            raise KeyingError(
                f"{self.label}: argument {name!r} ({type(value).__name__}) cannot be part of a key: {error}. If the "
                f"response does not depend on it, leave it out with ignore=({name!r},); else give its class a "
                "__cache_key__ method"
            ) from None

    def _name(self) -> str:
        """Return the view's name, and what its values look like: other classes, other entries."""
        if self._identity is None:
            shape = "" if self.returns is None else fingerprint(self.returns).hex()
            self._identity = f"{self.label}~{shape}("
        return self._identity


def _signature(view: Callable[..., Any], label: str) -> inspect.Signature:
    try:
        return inspect.signature(view, eval_str=True)
    except NameError:
        # A name that is there for type checkers only: FastAPI can do without it as well.
        return inspect.signature(view)
    except (TypeError, ValueError) as error:
        raise OptionTypeError(f"{label} has no signature that can be read: {error}") from None


def _annotated(signature: inspect.Signature, kind: type) -> str | None:
    """Return the parameter that takes an instance of `kind`, as FastAPI finds it."""
    for name, parameter in signature.parameters.items():
        annotation = parameter.annotation
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        if isinstance(annotation, type) and issubclass(annotation, kind):
            return name
    return None


def _with_hidden(signature: inspect.Signature, wanted: dict[str, type]) -> inspect.Signature:
    """Return the signature with the parameters that FastAPI is to fill in, where there is a FastAPI."""
    if "fastapi" not in sys.modules:
        return signature
    parameters = list(signature.parameters.values())
    place = len(parameters)
    if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        place -= 1
    for name, kind in wanted.items():
        if name in (_REQUEST, _RESPONSE):
            parameters.insert(place, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind))
    return signature.replace(parameters=parameters)


def _checked(ignore: Iterable[str], known: frozenset[str], label: str) -> frozenset[str]:
    found = frozenset(names(ignore, name="ignore"))
    if unknown := found - known:
        raise ConfigurationError(
            f"ignore= of {label} names unknown parameters {sorted(unknown)}; known are {sorted(known)}"
        )
    return found


def _is_of_request(value: object) -> bool:
    return isinstance(value, _OF_REQUEST) or type(value).__name__ == _SECURITY_SCOPES
