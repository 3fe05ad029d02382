"""A process that dies in the middle of reindexing.

FOLDER holds the schemas, the docstore, the vectors (Qdrant on disk) and the quarantine. The
process dies after the new vectors of its second batch are there and before the old ones are gone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from qdrant_client import QdrantClient

from llm_integrations.core.registry import Registry, connect
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from llm_integrations.llamaindex.stores.qdrant import QdrantNodes
from tests.support.rag import document, pipeline, qdrant

__all__ = ["changed", "die_while_reindexing", "open_index"]


def open_index(
    folder: Path, registry: Registry, load: Any = None
) -> tuple[RAGPipelineIntegration, Any]:
    """The integration and its pipeline, from what is on disk."""
    kept = folder / "docstore.json"
    docstore = (
        SimpleDocumentStore.from_persist_path(str(kept)) if kept.exists() else SimpleDocumentStore()
    )
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=folder / "aside")
    store = qdrant(QdrantClient(path=str(folder / "vectors")))
    steps = pipeline(transform, store, docstore=docstore)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, batch_size=2, persist=folder, documents=load or changed)
    return integration, steps


def changed(names: Sequence[str]) -> list[Document]:
    """Other texts than those that were embedded, as many words."""
    return [document(n, f"{n} tells something. " * 20, title=n, year=2026) for n in names]


def die_while_reindexing(folder: Path) -> None:
    with connect(folder / "schemas") as registry:
        integration, _ = open_index(folder, registry)
        delete, calls = QdrantNodes.delete, []

        def dying(self: QdrantNodes, node_ids: Sequence[str]) -> None:
            calls.append(node_ids)
            if len(calls) > 1:
                os._exit(9)  # as kill -9 would
            delete(self, node_ids)

        QdrantNodes.delete = dying  # type: ignore[method-assign]  # this process dies by it
        integration.registry.run(integration.catch_up())
