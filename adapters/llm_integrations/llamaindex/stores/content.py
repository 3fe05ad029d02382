"""The node that stores keep as JSON text beside its metadata, and give back."""

from __future__ import annotations

import json
from typing import Final

from llm_integrations.llamaindex.stores.query import Changes, renewed

__all__ = ["CONTENT", "SOURCES", "source_in", "with_changes"]

CONTENT: Final = "_node_content"
SOURCES: Final = ("ref_doc_id", "doc_id", "document_id")
"""Keys under which LlamaIndex keeps the id of a node's document."""


def with_changes(content: str, changes: Changes) -> str:
    """The text of a node with other metadata."""
    node = json.loads(content)
    node["metadata"] = renewed(node.get("metadata") or {}, changes)
    return json.dumps(node, ensure_ascii=False)


def source_in(payload: Changes) -> str | None:
    return next((str(payload[key]) for key in SOURCES if payload.get(key)), None)
