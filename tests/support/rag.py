"""Documents, schemas, pipelines and fixtures for tests of the LlamaIndex adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import MockEmbedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex import SchemaTransform

__all__ = [
    "QDRANT_WARNINGS",
    "RELAXED",
    "STRICT",
    "V1",
    "CountingEmbedding",
    "by_document",
    "document",
    "fits",
    "held",
    "pipeline",
    "points",
    "qdrant",
    "quarantine",
    "registry",
    "store",
    "transform",
    "vectors",
]

# Qdrant's local mode: what it says once in each process, and the connection that it leaves open.
QDRANT_WARNINGS = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]

# LlamaIndex's own way to sentences imports nltk, SciPy and scikit-learn in each process that cuts
# its first text: seconds of processor time, and minutes beside others.
_SENTENCES = re.compile(r"[^.!?]+[.!?]*\s*")

V1: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["title"],
    "additionalProperties": False,
}
STRICT = {**V1, "required": ["title", "year"]}
RELAXED: dict[str, Any] = {"type": "object", "properties": {"year": {"type": "integer"}}}


class CountingEmbedding(MockEmbedding):
    """Remembers the texts that it was asked to embed."""

    texts: list[str] = Field(default_factory=list)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"embed_dim": 4, **kwargs})

    def _get_text_embedding(self, text: str) -> list[float]:
        self.texts.append(text)
        return super()._get_text_embedding(text)


def document(name: str, text: str | None = None, **metadata: Any) -> Document:
    words = text if text is not None else f"{name} says something. " * 20
    return Document(id_=name, text=words, metadata=metadata or {"title": name})


def qdrant(client: QdrantClient | None = None) -> QdrantVectorStore:
    return QdrantVectorStore(collection_name="docs", client=client or QdrantClient(":memory:"))


def pipeline(transform: SchemaTransform, store: Any, **options: Any) -> IngestionPipeline:
    """transform, splitter, embedding; several chunks for each document."""
    options.setdefault("docstore", SimpleDocumentStore())
    splitter = SentenceSplitter(
        chunk_size=40, chunk_overlap=0, chunking_tokenizer_fn=_SENTENCES.findall
    )
    steps = [transform, splitter, CountingEmbedding()]
    return IngestionPipeline(transformations=steps, vector_store=store, **options)


def points(store: QdrantVectorStore) -> Sequence[BaseNode]:
    """Everything in a store."""
    return store.get_nodes()


def fits(name: str) -> Any:
    """Valid under V1 and STRICT alike."""
    return document(name, title=name, year=2026)


def vectors(store: Any) -> dict[str, tuple[str, str]]:
    """For each node in a store: its document and the version it is stamped with."""
    if isinstance(store, SimpleVectorStore):
        source = store.data.text_id_to_ref_doc_id
        return {i: (source[i], m[VERSION]) for i, m in store.data.metadata_dict.items()}
    return {n.node_id: (n.ref_doc_id or n.node_id, n.metadata[VERSION]) for n in store.get_nodes()}


def by_document(store: Any) -> dict[str, tuple[int, set[str]]]:
    found: dict[str, tuple[int, set[str]]] = {}
    for name, version in vectors(store).values():
        count, versions = found.get(name, (0, set()))
        found[name] = (count + 1, versions | {version})
    return found


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("doc-meta", V1, compatibility="NONE")
        yield client


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "aside")


@pytest.fixture
def transform(registry: Registry, quarantine: Quarantine) -> SchemaTransform:
    return SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)


@pytest.fixture(params=[SimpleVectorStore, qdrant], ids=["simple", "qdrant"])
def store(request: pytest.FixtureRequest) -> Any:
    return request.param()


def held(transform: SchemaTransform) -> int:
    assert isinstance(transform.quarantine, Quarantine)
    return transform.quarantine.count()
