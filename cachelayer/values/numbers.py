"""The numbers in an envelope's codec field. They are part of the format: a number is never used again."""

from __future__ import annotations

from typing import Final

#: Plain values, each with its own type.
TREE: Final = 0
#: What msgspec decodes to the function's return annotation, behind a fingerprint of that.
TYPED: Final = 1
#: An exception that was cached.
EXCEPTION: Final = 2
#: An HTTP response.
RESPONSE: Final = 3
#: Means something within the process that made it, and nowhere else.
LOCAL: Final = 4
#: A tree with instances of classes that the return annotation names, or that were registered.
OBJECTS: Final = 5
#: The bytes themselves.
RAW: Final = 6
#: UTF-8 text.
TEXT: Final = 7
#: JSON, behind a fingerprint of the return annotation.
JSON: Final = 8
#: A pickle, behind the names of its classes and a fingerprint of these.
PICKLE: Final = 9
#: Made by a serializer of the user's, behind a digest of its name.
OWN: Final = 10
