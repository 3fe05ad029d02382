"""Vector stores as a reindexing sees them: nodes listed by their stamps, replaced, stamped anew.

One way for every store that can list nodes by metadata (``generic``), and shorter ones for
SimpleVectorStore, Qdrant, Chroma, LanceDB and pgvector, which stamp in place and in bulk.
"""

from __future__ import annotations

from typing import Final

from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llm_integrations.llamaindex.stores.chroma import ChromaNodes
from llm_integrations.llamaindex.stores.generic import StoredNodes
from llm_integrations.llamaindex.stores.lancedb import LanceNodes
from llm_integrations.llamaindex.stores.postgres import PostgresNodes
from llm_integrations.llamaindex.stores.qdrant import QdrantNodes
from llm_integrations.llamaindex.stores.query import StampQuery, StoredNode
from llm_integrations.llamaindex.stores.simple import SimpleNodes

__all__ = ["StampQuery", "StoredNode", "StoredNodes", "nodes_in"]


_KINDS: Final[dict[str, type[StoredNodes]]] = {
    "ChromaVectorStore": ChromaNodes,
    "LanceDBVectorStore": LanceNodes,
    "PGVectorStore": PostgresNodes,
    "QdrantVectorStore": QdrantNodes,
}


def nodes_in(store: BasePydanticVectorStore) -> StoredNodes:
    """The nodes of a store.

    Raises:
        Unsupported: it cannot list nodes by their metadata.
    """
    if isinstance(store, SimpleVectorStore):
        return SimpleNodes(store)
    names = [kind.__name__ for kind in type(store).__mro__]
    kind = next((_KINDS[name] for name in names if name in _KINDS), StoredNodes)
    return kind(store)
