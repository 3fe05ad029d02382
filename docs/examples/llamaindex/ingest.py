"""Ingest a folder of Markdown files, hold their metadata to a schema, ask, and change the schema.

pip install 'llm-integrations[llamaindex]' llama-index-vector-stores-qdrant
python ingest.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from llm_integrations.core.registry import connect
from llm_integrations.llamaindex import (
    RAGPipelineIntegration,
    SchemaPostprocessor,
    SchemaTransform,
)

SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["title", "year"],
}
RELAXED = {**SCHEMA, "required": ["title"]}


def main(folder: Path) -> None:
    with connect(folder / "schemas") as registry:
        registry.register("doc-meta", SCHEMA)
        transform = SchemaTransform(
            schema="doc-meta@latest", registry=registry, quarantine=folder / "set-aside"
        )
        store = QdrantVectorStore(collection_name="docs", client=QdrantClient(":memory:"))
        pipeline = IngestionPipeline(
            transformations=[transform, SentenceSplitter(), MockEmbedding(embed_dim=8)],
            docstore=SimpleDocumentStore(),
            vector_store=store,
        )
        integration = RAGPipelineIntegration(registry, progress=True)
        integration.add_index("docs", pipeline, owner="team-rag")

        pipeline.run(
            documents=[
                Document(id_="a", text="Schemas hold.", metadata={"title": "A", "year": 2026}),
                Document(id_="b", text="Nobody knows when.", metadata={"title": "B"}),
            ]
        )
        index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=8))
        retriever = index.as_retriever(similarity_top_k=5)
        judge = SchemaPostprocessor(registry=registry, on_invalid="drop", on_stale="demote")
        found = judge.postprocess_nodes(retriever.retrieve("when?"))
        print("in the index:", sorted(item.node.metadata["title"] for item in found))

        registry.register("doc-meta", RELAXED)
        for result in registry.run(integration.catch_up()):  # an EventListener does this for you
            print(result)
        found = judge.postprocess_nodes(retriever.retrieve("when?"))
        print("in the index:", sorted(item.node.metadata["title"] for item in found))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
