"""Signatures of entries: HMAC-SHA256 over the entry's key and all of its bytes.

The key is part of it, so that an entry cannot be moved to another key; nobody without a secret key can make one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

from cachelayer.errors import ConfigurationError, DecodingError, OptionTypeError

#: Bytes that a signature adds to an entry.
SIZE: Final = hashlib.sha256().digest_size
#: Bytes that a secret key must have.
SHORTEST: Final = 16

# So that a key which signs other things elsewhere, such as Django's, never signs the same thing.
_PURPOSE: Final = b"cachelayer.entry.1"


class SecretKeys:
    """Secret keys that sign entries. They appear in no repr.

    Args:
        keys: one or several, as text or bytes: the first signs, all verify. To rotate, put the new one first, and
            remove the old one when what it signed has expired.

    Raises:
        ConfigurationError: there is none, or one is shorter than 16 bytes.
        OptionTypeError: a key is neither str nor bytes.
    """

    __slots__ = ("_macs",)

    def __init__(self, keys: str | bytes | Iterable[str | bytes]) -> None:
        listed: Iterable[Any] = [keys] if isinstance(keys, str | bytes) else keys
        self._macs = [hmac.new(_checked(key), _PURPOSE, hashlib.sha256) for key in listed]
        if not self._macs:
            raise ConfigurationError("secret_keys= is empty: give at least one key, or None to sign nothing")

    def __repr__(self) -> str:
        return f"<SecretKeys: {len(self._macs)}>"

    def sign(self, key: str, data: bytes) -> bytes:
        """Return `data`, which is stored under `key`, with its signature."""
        return data + _signature(self._macs[0], key, data)

    def verify(self, key: str, data: bytes) -> bytes:
        """Return the data without its signature, or raise DecodingError where that is none of these keys'."""
        if not isinstance(data, bytes):
            raise DecodingError(f"not bytes but {type(data).__name__}")
        signed, signature = data[:-SIZE], data[-SIZE:]
        if not any(hmac.compare_digest(_signature(mac, key, signed), signature) for mac in self._macs):
            raise DecodingError("not signed, or by none of the secret keys, or under another key")
        return signed


def _signature(mac: hmac.HMAC, key: str, data: bytes) -> bytes:
    name = key.encode("utf-8", "surrogatepass")
    mac = mac.copy()
    mac.update(len(name).to_bytes(8, "little") + name)
    mac.update(data)
    return mac.digest()


def _checked(key: Any) -> bytes:
    if not isinstance(key, str | bytes):
        raise OptionTypeError(f"secret_keys= takes str and bytes, but has {type(key).__name__}")
    secret = key.encode() if isinstance(key, str) else key
    if len(secret) < SHORTEST:
        raise ConfigurationError(
            f"a secret key must have at least {SHORTEST} bytes, but one of secret_keys= has {len(secret)}: "
            f"make one with secrets.token_hex()"
        )
    return secret
