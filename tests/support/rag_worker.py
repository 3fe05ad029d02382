"""A process that dies in the middle of reindexing: ``python -m tests.support.rag_worker FOLDER``.

FOLDER holds the schemas, the docstore, the vectors (Qdrant on disk) and the quarantine. The
process dies after the vectors of its second batch are gone and before they are back.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from llama_index.core.schema import TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from qdrant_client import QdrantClient

from llm_integrations.core.registry import Registry, connect
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from tests.support.rag import pipeline, qdrant

__all__ = ["Fuse", "open_index"]


class Fuse(TransformComponent):
    """Lets one batch pass and ends the process at the next, as kill -9 would."""

    passed: int = 0

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        self.passed += 1
        if self.passed > 1:
            os._exit(9)
        return nodes


def open_index(folder: Path, registry: Registry) -> tuple[RAGPipelineIntegration, Any]:
    """The integration and its pipeline, from what is on disk."""
    kept = folder / "docstore.json"
    docstore = (
        SimpleDocumentStore.from_persist_path(str(kept)) if kept.exists() else SimpleDocumentStore()
    )
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=folder / "aside")
    store = qdrant(QdrantClient(path=str(folder / "vectors")))
    steps = pipeline(transform, store, docstore=docstore)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, batch_size=2, persist=lambda: docstore.persist(str(kept)))
    return integration, steps


def main(folder: Path) -> None:
    with connect(folder / "schemas") as registry:
        integration, steps = open_index(folder, registry)
        steps.transformations.insert(1, Fuse())
        integration.registry.run(integration.catch_up())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
