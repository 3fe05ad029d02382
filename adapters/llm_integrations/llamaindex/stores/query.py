"""A question for stamped nodes, and what a store says of one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from llm_integrations.core.stamp import (
    FINGERPRINT,
    SUBJECT,
    VERSION,
    stamp_keys_of,
    stamp_of,
    stamps_of,
    suffix_of,
)

__all__ = ["GONE", "Changes", "StampQuery", "StoredNode", "document_of", "renewed"]

Changes = Mapping[str, Any]
"""Metadata keys of a node with their new values; GONE takes a key away."""

GONE: Final[Any] = object()

_NO_SOURCE: Final = ("None", "", None)
"""Values that stores keep as the source of a node that no parser made."""


class StoredNode(NamedTuple):
    """A node's id, its document's, and of its metadata at least the stamps."""

    node_id: str
    document: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StampQuery:
    """A query for a subject's stamps: of one version, or of any but one fingerprint."""

    subject: str
    version: str | None = None
    not_fingerprint: str | None = None

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        stamp = stamp_of(metadata, self.subject)
        if stamp is None or (self.version is not None and stamp.version != self.version):
            return False
        return self.not_fingerprint is None or stamp.fingerprint != self.not_fingerprint

    @property
    def conditions(self) -> list[tuple[dict[str, str], dict[str, str]]]:
        """For each set of keys that the stamp may stand under: what equals, and what does not."""
        found = []
        for suffix in ("", suffix_of(self.subject)):
            equal = {SUBJECT + suffix: self.subject}
            if self.version is not None:
                equal[VERSION + suffix] = self.version
            unlike = {}
            if self.not_fingerprint is not None:
                unlike[FINGERPRINT + suffix] = self.not_fingerprint
            found.append((equal, unlike))
        return found


def document_of(source: str | None, node: str) -> str:
    """The id of a node's document: its own where no parser made it."""
    return node if source is None or source in _NO_SOURCE else source


def renewed(metadata: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Metadata with changes, each key where it stood, and new ones before the stamp.

    What stands behind the stamp was not judged.
    """
    stamps = stamps_of(metadata)
    first = SUBJECT + stamps[0].suffix if stamps else None
    new = {k: v for k, v in changes.items() if k not in metadata and v is not GONE}
    merged: dict[str, Any] = {}
    for key, value in metadata.items():
        if new and key == first:
            ours = stamp_keys_of({**metadata, **new})
            merged.update((k, v) for k, v in new.items() if k not in ours)
        merged[key] = changes.get(key, value)
    merged.update((key, value) for key, value in new.items() if key not in merged)
    return {key: value for key, value in merged.items() if value is not GONE}
