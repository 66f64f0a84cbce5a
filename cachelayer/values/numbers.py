"""The numbers in an envelope's codec field. They are part of the format: a number is never used again."""

from __future__ import annotations

from typing import Final

#: Plain values, each with its own type.
TREE: Final = 0
#: A value of the type that the function's return annotation names.
TYPED: Final = 1
#: An exception that was cached.
EXCEPTION: Final = 2
#: An HTTP response.
RESPONSE: Final = 3
#: Means something within the process that made it, and nowhere else.
LOCAL: Final = 4
