"""SimpleVectorStore, which is a dict in memory and keeps no texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.schema import BaseNode

from llm_integrations.llamaindex.stores.generic import DirectNodes
from llm_integrations.llamaindex.stores.query import (
    Changes,
    StampQuery,
    StoredNode,
    document_of,
    renewed,
)

__all__ = ["SimpleNodes"]


class SimpleNodes(DirectNodes):
    def stamped(self, query: StampQuery) -> Iterator[StoredNode]:
        return (node for node in self.every(()) if query.matches(node.metadata))

    def every(self, subjects: Sequence[str]) -> Iterator[StoredNode]:
        data = self.store.data
        for node, source in list(data.text_id_to_ref_doc_id.items()):
            yield StoredNode(node, document_of(source, node), data.metadata_dict.get(node) or {})

    def make_room(self, nodes: Sequence[BaseNode]) -> None:
        """Nothing: ``add`` replaces."""

    def metadata_of(self, node_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        kept = self.store.data.metadata_dict
        return {name: kept[name] for name in node_ids if name in kept}

    def delete(self, node_ids: Sequence[str]) -> None:
        data = self.store.data
        for node in node_ids:
            for part in (data.embedding_dict, data.text_id_to_ref_doc_id, data.metadata_dict):
                part.pop(node, None)

    def delete_documents(self, document_ids: Sequence[str]) -> None:
        wanted = set(document_ids)
        self.delete([node.node_id for node in self.every(()) if node.document in wanted])

    def stamp(self, changes: Mapping[str, Changes]) -> set[str]:
        kept = self.store.data.metadata_dict
        for node, change in changes.items():
            if node in kept:
                kept[node] = renewed(kept[node], change)
        return set(changes)
