"""LlamaIndex: a transform beside one that only copies, a postprocessor beside one that returns.

And an index brought up to date in place, beside a reindex with an embedder that costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llama_index.core import MockEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, Document, NodeWithScore, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from benchmarks.harness import Row, Section, median_seconds
from llm_integrations.core.registry import Registry, connect
from llm_integrations.llamaindex import (
    RAGPipelineIntegration,
    SchemaPostprocessor,
    SchemaTransform,
)

COUNT = 500
DOCUMENTS = 10_000
SAMPLE = 2_000
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "author": {"type": "string"},
        "year": {"type": "integer", "minimum": 1900},
        "language": {"enum": ["en", "de", "fr"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "url": {"type": "string", "pattern": "^https?://"},
    },
    "required": ["title", "author", "year", "url"],
    "additionalProperties": False,
}


class CopyOnly(TransformComponent):
    """The least that a transform does that leaves its input alone."""

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        return [node.model_copy(deep=True) for node in nodes]


class PassThrough(BaseNodePostprocessor):
    """A postprocessor that does nothing."""

    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: Any = None) -> Any:
        return nodes


def documents(count: int = COUNT) -> list[Document]:
    return [
        Document(
            id_=f"document-{number}",
            text=f"document {number} " * 100,
            metadata={
                "title": f"Document {number}",
                "author": "Ada",
                "year": 1990 + number % 30,
                "language": "en",
                "tags": ["a", "b", "c"],
                "url": f"https://example.org/{number}",
            },
        )
        for number in range(count)
    ]


def run() -> list[Section]:
    section = Section(
        "LlamaIndex",
        f"{COUNT} documents with six metadata fields. The transform judges, counts and stamps; its "
        "peer is a transform that only makes the deep copy. The postprocessor judges, counts and "
        "looks for stale stamps; its peer returns the nodes as they are.",
    )
    with connect("memory://") as registry:
        registry.register("doc-meta", SCHEMA)
        given = documents()
        _transform(section, registry, given)
        _postprocessor(section, registry, given)
    return [section, _upkeep()]


def _transform(section: Section, registry: Registry, given: list[Document]) -> None:
    held, bare = SchemaTransform(schema="doc-meta", registry=registry), CopyOnly()
    ours = median_seconds(lambda: held(given), number=3) / COUNT * 1e6
    peer = median_seconds(lambda: bare(given), number=3) / COUNT * 1e6
    ratio = ours / peer
    section.add(
        Row(
            "SchemaTransform, per document",
            f"{ours:.1f} µs",
            f"{peer:.1f} µs (copies only)",
            f"{ratio:.2f}",
            "≤ 2",
            ratio <= 2,
        )
    )


def _postprocessor(section: Section, registry: Registry, given: list[Document]) -> None:
    stamped = SchemaTransform(schema="doc-meta", registry=registry)(given)
    nodes = [NodeWithScore(node=node, score=0.5) for node in stamped]
    for what, judge in (
        ("by the stamp", SchemaPostprocessor(registry=registry)),
        ("by a given schema", SchemaPostprocessor(schema="doc-meta", registry=registry)),
    ):
        ours = _per_node(judge, nodes)
        peer = _per_node(PassThrough(), nodes)
        section.add(
            Row(
                f"SchemaPostprocessor {what}, per node",
                f"{ours:.2f} µs",
                f"{peer:.2f} µs (does nothing)",
                "",
                "≤ 5 µs",
                ours <= 5,
            )
        )


def _per_node(judge: BaseNodePostprocessor, nodes: list[NodeWithScore]) -> float:
    return median_seconds(lambda: judge.postprocess_nodes(nodes), number=10) / COUNT * 1e6


def _upkeep() -> Section:
    section = Section(
        "LlamaIndex: an index brought up to date",
        f"A property is no longer required, and {DOCUMENTS} documents of one chunk lie in Qdrant's "
        f"local mode on disk; the peer embeds {SAMPLE} of other texts anew, with a model that "
        "costs nothing. Kept is with `keep_compatible=True`: the index is held against the "
        "docstore, and stamps stay. Growth is that of a SimpleVectorStore. Processor time, for a "
        "disk's syncs differ by ten from one run to the next.",
    )
    with TemporaryDirectory() as folder:
        client = QdrantClient(path=folder, force_disable_check_same_thread=True)
        stored = QdrantVectorStore(collection_name="docs", client=client)
        with _index(stored, DOCUMENTS, Path(folder)) as index:
            ingested = index.ingested / DOCUMENTS
            in_place = index.catch_up(relaxed(2))
            kept = index.catch_up(relaxed(3), keep_compatible=True)
            calls = index.calls
            anew = index.catch_up(relaxed(4), documents=_other_texts, limit=SAMPLE) / SAMPLE
            nodes = index.rag.indexes["docs"].nodes
            ids = [node.node_id for node in nodes.every(())][:2500]
            deleted = _seconds(lambda: nodes.delete(ids)) / len(ids)
        client.close()
    for what, seconds in (("in place", in_place), ("kept", kept)):
        ratio = anew / (seconds / DOCUMENTS)
        section.add(
            Row(
                f"{what}, {calls} embedding calls, per document",
                f"{seconds / DOCUMENTS * 1e3:.3f} ms",
                f"{anew * 1e3:.2f} ms (embedded anew)",
                f"{ratio:.1f}",
                "≥ 50, 0 calls",
                ratio >= 50 and calls == 0,
            )
        )
    section.add(
        Row(
            "deletes by node id, of 2,500 documents, per document",
            f"{deleted * 1e3:.2f} ms",
            f"{ingested * 1e3:.2f} ms (ingested)",
            f"{deleted / ingested:.2f}",
            "≤ 2",
            deleted / ingested <= 2,
        )
    )
    few, many = (_growth(count) for count in (2_500, 40_000))
    section.add(
        Row(
            "in place, 40,000 documents beside 2,500, per document",
            f"{many * 1e3:.3f} ms",
            f"{few * 1e3:.3f} ms (2,500)",
            f"{many / few:.2f}",
            "≤ 1.2",
            many / few <= 1.2,
        )
    )
    return section


def _growth(count: int) -> float:
    with TemporaryDirectory() as folder, _index(SimpleVectorStore(), count, Path(folder)) as index:
        return index.catch_up(relaxed(2)) / count


def relaxed(number: int) -> dict[str, Any]:
    """A schema that takes what the one before took."""
    return {**SCHEMA, "required": ["title", "author", "url"], "title": str(number)}


class _Counting(MockEmbedding):
    calls: int = 0

    def _get_text_embedding(self, text: str) -> list[float]:
        self.calls += 1
        return super()._get_text_embedding(text)


class _Kept:
    """An index with documents, and what it cost to make."""

    def __init__(self, registry: Registry, store: Any, count: int, folder: Path) -> None:
        self._registry = registry
        self._model = _Counting(embed_dim=8)
        first = SchemaTransform(schema="doc-meta", registry=registry, quarantine=folder / "aside")
        self._steps = IngestionPipeline(
            transformations=[first, SentenceSplitter(), self._model],
            docstore=SimpleDocumentStore(),
            vector_store=store,
            disable_cache=True,
        )
        given = documents(count)
        self.ingested = _seconds(lambda: self._steps.run(documents=given))
        self._model.calls = 0
        self.rag = RAGPipelineIntegration(registry)

    def catch_up(self, schema: Any, *, limit: int | None = None, **options: Any) -> float:
        """Seconds."""
        self._registry.register("doc-meta", schema)
        self.rag.add_index("docs", self._steps, **options)
        return _seconds(lambda: self._registry.run(self.rag.catch_up(limit=limit)))

    @property
    def calls(self) -> int:
        return self._model.calls


@contextmanager
def _index(store: Any, count: int, folder: Path) -> Iterator[_Kept]:
    with connect("memory://") as registry:
        registry.register("doc-meta", SCHEMA)
        yield _Kept(registry, store, count, folder)


def _other_texts(names: Sequence[str]) -> list[Document]:
    metadata = documents(1)[0].metadata
    return [Document(id_=name, text=f"{name} anew", metadata=metadata) for name in names]


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor, in all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began
