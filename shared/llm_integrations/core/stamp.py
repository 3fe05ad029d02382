"""The stamp: what a piece's metadata says about the schema that the piece was judged by.

Flat text under a few keys of ours, on any mapping: every store can keep it and filter by it. What
is judged is the metadata without them, as its author wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llm_integrations.core.model.reference import SchemaId
from llm_integrations.core.validation.validator import Validator

__all__ = [
    "FINGERPRINT",
    "ID",
    "ISSUE",
    "STAMP_KEYS",
    "SUBJECT",
    "VALID",
    "VERSION",
    "InForce",
    "is_stamped",
    "without_stamp",
]

SUBJECT: Final = "schema_subject"
VERSION: Final = "schema_version"
ID: Final = "schema_id"
FINGERPRINT: Final = "schema_fingerprint"
VALID: Final = "schema_valid"
"""Only on what passed although it is invalid (mode "warn"), and then False."""
ISSUE: Final = "schema_issue"
"""What was found out later: "invalid" or "stale"."""

STAMP_KEYS: Final = (SUBJECT, VERSION, ID, FINGERPRINT, VALID, ISSUE)


@dataclass(frozen=True)
class InForce:
    """One version of a schema, and what it stamps."""

    validator: Validator
    schema_id: SchemaId

    @property
    def version(self) -> str:
        return self.validator.reference.rpartition("@")[2]

    @property
    def fingerprint(self) -> str:
        return self.validator.fingerprint

    @cached_property
    def stamp(self) -> dict[str, Any]:
        """The keys and values for what is valid."""
        return {
            SUBJECT: self.validator.subject or "",
            VERSION: self.version,
            ID: str(self.schema_id),
            FINGERPRINT: self.fingerprint,
        }

    def stamped(self, metadata: Mapping[str, Any], *, valid: bool = True) -> dict[str, Any]:
        """The metadata with this stamp and no other."""
        stamp = self.stamp if valid else {**self.stamp, VALID: False}
        return {**without_stamp(metadata), **stamp}


def is_stamped(metadata: Mapping[str, Any]) -> bool:
    return SUBJECT in metadata or ISSUE in metadata


def without_stamp(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata as its author wrote it; the same object where there is no stamp."""
    if not is_stamped(metadata):
        return metadata
    return {key: value for key, value in metadata.items() if key not in STAMP_KEYS}
