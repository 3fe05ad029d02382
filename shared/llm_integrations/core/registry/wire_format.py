"""The wire format of Confluent's serialisers: which schema a message was written by.

A message begins with a zero byte and the schema's id in four bytes, the highest first. What follows
is the payload, for JSON Schema the JSON text.
"""

from __future__ import annotations

import struct
from typing import Final

from llm_integrations.core.errors import ConfigurationError, RegistryProtocolError

__all__ = ["frame", "unframe"]

_HEADER: Final = struct.Struct(">bI")
_MAGIC: Final = 0
_HIGHEST_ID: Final = 2**32 - 1


def frame(schema_id: int, payload: bytes) -> bytes:
    """A payload with the id of its schema in front.

    Raises:
        ConfigurationError: for an id that no Confluent-compatible registry gives out.
    """
    is_number = isinstance(schema_id, int) and not isinstance(schema_id, bool)
    if not is_number or not 0 <= schema_id <= _HIGHEST_ID:
        raise ConfigurationError(f"an id in the wire format is a number of 32 bits: {schema_id!r}")
    return _HEADER.pack(_MAGIC, schema_id) + payload


def unframe(message: bytes) -> tuple[int, bytes]:
    """The id of the schema that a message was written by, and its payload.

    >>> schema_id, payload = unframe(message)
    >>> registry.validator_for(registry.get_by_id(schema_id)).check(json.loads(payload))

    Raises:
        RegistryProtocolError: the message does not begin as the wire format says.
    """
    if len(message) < _HEADER.size or message[0] != _MAGIC:
        raise RegistryProtocolError(
            "the message does not begin with a zero byte and a schema id: it was not written by a "
            "serialiser of Confluent's wire format"
        )
    return _HEADER.unpack_from(message)[1], bytes(message[_HEADER.size :])
