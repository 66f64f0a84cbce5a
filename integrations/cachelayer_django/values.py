"""Values of Django's cache API as bytes: any object that pickle takes.

Whole numbers are kept as their digits, so that the store itself can count. Everything else is a pickle; in a store
that others can write to it is sealed, and nothing is unpickled that was not signed with the site's SECRET_KEY.
"""

from __future__ import annotations

import math
import pickle
import re
from typing import Any, Final, Protocol

from django.conf import settings
from django.utils.crypto import salted_hmac

from cachelayer.values.envelope import Envelope
from cachelayer.values.kinds import type_of
from cachelayer.values.numbers import PICKLE
from cachelayer.values.sealing import Sealing
from cachelayer.values.trusted import unpickle_trusted

# Neither a pickle nor an envelope begins like this.
_DIGITS: Final = re.compile(rb"-?[0-9]{1,19}")
#: Stores count within 64 bits.
_LARGEST: Final = 2**63 - 1
#: What is signed here is not signed alike anywhere else under the same SECRET_KEY.
_SALT: Final = "cachelayer_django.cache"


class Values(Protocol):
    """How values become what a store keeps under a key, and come back."""

    def encode(self, key: str, value: Any) -> bytes:
        """Return the value as bytes; raises what pickle does where it cannot be pickled."""
        ...

    def decode(self, key: str, data: bytes) -> Any:
        """Return the value, or raise DecodingError."""
        ...


class PlainValues:
    """For a store of this process: pickles that nobody else can have written."""

    def encode(self, key: str, value: Any) -> bytes:
        """See `Values.encode`."""
        return digits(value) or pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, key: str, data: bytes) -> Any:
        """See `Values.decode`."""
        number = parse_digits(data)
        return unpickle_trusted(data) if number is None else number


class SealedValues:
    """For a store that others can write to: compressed, and signed.

    Args:
        sealing: how.
    """

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    def encode(self, key: str, value: Any) -> bytes:
        """See `Values.encode`."""
        return digits(value) or self._sealing.seal(key, _envelope(value))

    def decode(self, key: str, data: bytes) -> Any:
        """See `Values.decode`."""
        number = parse_digits(data)
        # Trusted, since signed by the site's SECRET_KEY: OPTIONS say so where it is not.
        return unpickle_trusted(self._sealing.open(key, data).payload) if number is None else number


def site_keys() -> list[bytes]:
    """Return the keys that sign, of `SECRET_KEY`, and verify, of `SECRET_KEY_FALLBACKS` too."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac(_SALT, "", secret=secret, algorithm="sha256").digest() for secret in secrets]


def digits(value: Any) -> bytes | None:
    """Return a whole number as its digits; None for anything else, and for what stores cannot count."""
    return b"%d" % value if type_of(value) is int and fits(value) else None


def fits(number: int) -> bool:
    """Whether stores can count up to this number."""
    return -_LARGEST <= number <= _LARGEST


def parse_digits(data: bytes) -> int | None:
    """Return the number whose digits these are, None where they are none."""
    return int(data) if _DIGITS.fullmatch(data) else None


def _envelope(value: Any) -> Envelope:
    payload = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return Envelope(PICKLE, payload, created=0.0, fresh_until=math.inf, expires=math.inf)
