"""What happens to envelopes on their way to a shared store and back.

    writing: compress the value, pack, sign        reading: verify, unpack, check the size, decompress

Bytes from a store are anybody's, so where there are secret keys nothing at all is looked at before the signature, and
nothing is decompressed before its size is checked. Decoding the value comes after all of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.values.compression import NONE, SMALLEST, compress, decompress
from cachelayer.values.envelope import Envelope, pack, unpack
from cachelayer.values.serializers import Serializer, needs_signature
from cachelayer.values.signing import SecretKeys

Keys = str | bytes | Iterable[str | bytes]


class Sealing:
    """How one cache seals its entries.

    Args:
        secret_keys: sign all entries, and take no others: one key or several, see `SecretKeys`. None signs nothing.
        compress: compress values from 1 KiB where that saves a tenth. What is compressed is read in either case.

    Raises:
        ConfigurationError: a key is too short, or there is none.
        OptionTypeError: an option is of the wrong type.
    """

    __slots__ = ("_compress", "_keys")

    def __init__(self, secret_keys: Keys | None = None, *, compress: bool = True) -> None:
        if not isinstance(compress, bool):
            raise OptionTypeError(f"compress must be True or False, not {compress!r}")
        self._keys = None if secret_keys is None else SecretKeys(secret_keys)
        self._compress = compress

    def __repr__(self) -> str:
        return f"<Sealing keys={self._keys!r} compress={self._compress}>"

    @property
    def signs(self) -> bool:
        """Whether entries are signed."""
        return self._keys is not None

    def seal(self, key: str, envelope: Envelope) -> bytes:
        """Return the envelope as it is stored under `key`, or raise EncodingError where it cannot be packed."""
        if self._compress and len(envelope.payload) >= SMALLEST:
            number, payload = compress(envelope.payload)
            if number != NONE:
                envelope = msgspec.structs.replace(envelope, payload=payload, compression=number)
        packed = pack(envelope)
        return packed if self._keys is None else self._keys.sign(key, packed)

    def open(self, key: str, data: bytes) -> Envelope:
        """Return the envelope that is stored under `key`, its value as the codec made it; raises DecodingError."""
        if self._keys is not None:
            data = self._keys.verify(key, data)
        envelope = unpack(data)
        if envelope.compression == NONE:
            return envelope
        payload = decompress(envelope.compression, envelope.payload)
        return msgspec.structs.replace(envelope, payload=payload, compression=NONE)

    def check(self, serializer: str | Serializer, *, shared: bool, label: str) -> None:
        """Refuse a serializer that reads only what is signed, for a store where nothing is.

        Args:
            serializer: as `@cached` takes it.
            shared: whether others can write to the store.
            label: who asks, for the error.

        Raises:
            ConfigurationError: it would read what anybody may have written.
        """
        if shared and not self.signs and needs_signature(serializer):
            name: Any = serializer if isinstance(serializer, str) else serializer.name
            raise ConfigurationError(
                f"{label} has serializer={name!r} in a shared store, where whoever can write to it could have code "
                f"run here: sign the entries with Cache(..., secret_keys=[...]), or use another serializer"
            )
