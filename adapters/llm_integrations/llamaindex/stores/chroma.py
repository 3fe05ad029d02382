"""Chroma, by its collection: LlamaIndex's ``get_nodes`` for it takes no filters alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llm_integrations.llamaindex.stores.content import (
    CONTENT,
    metadata_in,
    nulled,
    source_in,
)
from llm_integrations.llamaindex.stores.generic import DirectNodes
from llm_integrations.llamaindex.stores.query import (
    Changes,
    StampQuery,
    StoredNode,
    document_of,
)

__all__ = ["ChromaNodes"]

_PAGE: Final = 1000


class ChromaNodes(DirectNodes):
    def stamped(self, query: StampQuery) -> Iterator[StoredNode]:
        for equal, unlike in query.conditions:
            found = self._pages(_where(equal, unlike))
            yield from (node for node in found if query.matches(node.metadata))

    def every(self, subjects: Sequence[str]) -> Iterator[StoredNode]:
        return self._pages(None)

    def _pages(self, where: Any) -> Iterator[StoredNode]:
        offset = 0
        while True:
            page = self.store.client.get(
                where=where, limit=_PAGE, offset=offset, include=["metadatas"]
            )
            for node, metadata in zip(page["ids"], page["metadatas"], strict=True):
                yield StoredNode(node, document_of(source_in(metadata), node), metadata)
            offset += len(page["ids"])
            if len(page["ids"]) < _PAGE:
                return

    def metadata_of(self, node_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        page = self.store.client.get(ids=list(node_ids), include=["metadatas"])
        found = zip(page["ids"], page["metadatas"], strict=True)
        return {node: metadata_in(str(metadata[CONTENT])) for node, metadata in found}

    def stamp(self, changes: Mapping[str, Changes]) -> set[str]:
        if changes:
            page = self.store.client.get(ids=list(changes), include=["metadatas"])
            ids = page["ids"]
            found = zip(ids, page["metadatas"], strict=True)
            metadatas = [nulled(metadata, changes[node]) for node, metadata in found]
            if ids:
                self.store.client.update(ids=ids, metadatas=metadatas)
        return set(changes)


def _where(equal: Mapping[str, str], unlike: Mapping[str, str]) -> dict[str, Any]:
    wanted: list[dict[str, Any]] = [{key: {"$eq": value}} for key, value in equal.items()]
    wanted += [{key: {"$ne": value}} for key, value in unlike.items()]
    return wanted[0] if len(wanted) == 1 else {"$and": wanted}
