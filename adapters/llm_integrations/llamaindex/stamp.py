"""What a node's metadata says about the schema that the node was judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llama_index.core.schema import BaseNode, MetadataMode

from llm_integrations.core.model.reference import SchemaId
from llm_integrations.core.validation import Validator

__all__ = [
    "FINGERPRINT",
    "ID",
    "ISSUE",
    "SUBJECT",
    "VALID",
    "VERSION",
    "InForce",
    "hide",
    "payload_of",
    "stamped",
]

SUBJECT: Final = "schema_subject"
VERSION: Final = "schema_version"
ID: Final = "schema_id"
FINGERPRINT: Final = "schema_fingerprint"
VALID: Final = "schema_valid"
"""Only on a node that passed although it is invalid (mode "warn"), and then False."""
ISSUE: Final = "schema_issue"
"""What ``SchemaPostprocessor`` found: "invalid" or "stale"."""

_KEYS: Final = (SUBJECT, VERSION, ID, FINGERPRINT, VALID, ISSUE)


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
        """Flat text: every vector store can keep it and filter by it."""
        return {
            SUBJECT: self.validator.subject or "",
            VERSION: self.version,
            ID: str(self.schema_id),
            FINGERPRINT: self.fingerprint,
        }


def payload_of(node: BaseNode, text_field: str | None) -> Mapping[str, Any]:
    """What is judged: the metadata as its author wrote it, and the text if asked for."""
    metadata = node.metadata
    if SUBJECT in metadata or ISSUE in metadata:
        metadata = metadata.copy()
        for key in _KEYS:
            metadata.pop(key, None)
    if text_field is None:
        return metadata
    return {**metadata, text_field: node.get_content(MetadataMode.NONE)}


def stamped(node: BaseNode, stamp: Mapping[str, Any]) -> BaseNode:
    """A copy with the stamp, kept from embedding models and LLMs.

    A copy, because the pipeline stores the hash of the node that came in after the transforms ran:
    a changed one would never be recognised again.
    """
    copy = node.model_copy(deep=True)
    metadata = copy.metadata
    metadata.pop(VALID, None)
    metadata.update(stamp)
    hide(copy)
    return copy


def hide(node: BaseNode) -> None:
    """Keep the stamp out of what is embedded and what an LLM reads."""
    for keys in (node.excluded_embed_metadata_keys, node.excluded_llm_metadata_keys):
        if SUBJECT not in keys:
            keys.extend(_KEYS)
