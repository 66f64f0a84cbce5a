"""`type`, typed: what the class of a value of no known type is to the type checkers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

type_of: Final[Callable[[Any], type[Any]]] = type
