"""The functions that Confluent adds to CEL, as ``message.email.isEmail()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import jsonschema_rs

__all__ = ["format_checks"]

_FORMATS: Final = {
    "isEmail": "email",
    "isHostname": "hostname",
    "isIpv4": "ipv4",
    "isIpv6": "ipv6",
    "isUri": "uri",
    "isUriRef": "uri-reference",
    "isUuid": "uuid",
}


def format_checks() -> dict[str, Callable[[str], bool]]:
    """Each by its name; they mean what ``format`` means in a JSON Schema."""
    return {name: _check(kind) for name, kind in _FORMATS.items()}


def _check(kind: str) -> Callable[[str], bool]:
    schema = {"format": kind}
    return jsonschema_rs.validator_for(schema, validate_formats=True, offline=True).is_valid
