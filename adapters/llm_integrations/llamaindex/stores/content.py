"""The node that stores keep as JSON text beside its metadata, and give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json

from llm_integrations.llamaindex.stores.query import GONE, Changes, renewed

__all__ = ["CONTENT", "SOURCES", "metadata_in", "nulled", "source_in", "with_changes"]

CONTENT: Final = "_node_content"
SOURCES: Final = ("ref_doc_id", "doc_id", "document_id")
"""Keys under which LlamaIndex keeps the id of a node's document."""


def with_changes(content: str, changes: Changes) -> str:
    """The text of a node with other metadata."""
    node = from_json(content)
    node["metadata"] = renewed(node.get("metadata") or {}, changes)
    return to_json(node, inf_nan_mode="constants").decode()


def nulled(metadata: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Metadata with changes, the node's text too, for stores where null takes a key away."""
    told = {key: None if value is GONE else value for key, value in changes.items()}
    return {**metadata, **told, CONTENT: with_changes(str(metadata[CONTENT]), changes)}


def metadata_in(content: str) -> Mapping[str, Any]:
    """The metadata of a node's text, in its order."""
    found: Mapping[str, Any] = from_json(content).get("metadata") or {}
    return found


def source_in(payload: Changes) -> str | None:
    return next((str(payload[key]) for key in SOURCES if payload.get(key)), None)
