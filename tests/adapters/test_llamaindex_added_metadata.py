"""What parsers and extractors add after a document was judged, and what its author called alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import (
    HTMLNodeParser,
    JSONNodeParser,
    MarkdownNodeParser,
    SentenceSplitter,
    SentenceWindowNodeParser,
)
from llama_index.core.schema import Document, MetadataMode, NodeWithScore, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import FINGERPRINT, SUBJECT, stamp_of, stamps_of, without_stamp
from llm_integrations.llamaindex import (
    RAGPipelineIntegration,
    SchemaPostprocessor,
    SchemaTransform,
)
from tests.support.clients import elsewhere
from tests.support.confluent_server import ConfluentServer
from tests.support.http_server import Fault
from tests.support.rag import QDRANT_WARNINGS, STRICT, V1, CountingEmbedding, qdrant

pytestmark = QDRANT_WARNINGS

CLOSED = {"properties": {"topic": {"type": "string"}}, "required": ["topic"]}
OPEN = {"type": "object", "required": ["title"]}


class Extractor(TransformComponent):
    """Adds a key to chunks, as LlamaIndex's extractors do, and without a model."""

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        for node in nodes:
            node.metadata.update({"section_summary": "short"})
        return nodes


class OnDocuments(TransformComponent):
    """Adds a key to whole documents."""

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        for node in nodes:
            node.metadata["reading_time"] = 3
        return nodes


TEXTS = {
    "markdown": "# One\n\nFirst.\n\n## Two\n\nSecond.",
    "html": "<p>First.</p><h1>Two</h1><p>Second.</p>",
    "json": '{"first": {"second": 1}}',
    "window": "First. Second. Third. Fourth.",
    "extractor": "First. Second.",
    "before": "First. Second.",
}


def steps_of(kind: str) -> list[Any]:
    splitter = SentenceSplitter(chunk_size=100, chunk_overlap=0)
    steps: dict[str, list[Any]] = {
        "markdown": [MarkdownNodeParser()],
        "html": [HTMLNodeParser(tags=["p", "h1"])],
        "json": [JSONNodeParser()],
        "window": [SentenceWindowNodeParser.from_defaults()],
        "extractor": [splitter, Extractor()],
        "before": [OnDocuments(), splitter],
    }
    return steps[kind]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("doc-meta", V1, compatibility="NONE")
        client.register("topics", CLOSED, compatibility="NONE")
        yield client


def ready(
    registry: Registry, tmp_path: Path, kind: str, store: Any, **options: Any
) -> IngestionPipeline:
    if kind == "html":
        pytest.importorskip("bs4")
    transform = SchemaTransform(
        schema="doc-meta", registry=registry, quarantine=tmp_path / "aside", **options
    )
    return IngestionPipeline(
        transformations=[transform, *steps_of(kind), CountingEmbedding()],
        vector_store=store,
        docstore=SimpleDocumentStore(),
    )


@pytest.mark.parametrize("kind", list(TEXTS))
def test_what_was_added_behind_the_stamp_condemns_no_node(
    registry: Registry, tmp_path: Path, kind: str
) -> None:
    store = qdrant()
    steps = ready(registry, tmp_path, kind, store)
    steps.run(documents=[Document(id_="a", text=TEXTS[kind], metadata={"title": "t", "year": 1})])
    nodes = [NodeWithScore(node=node) for node in store.get_nodes()]
    assert nodes
    assert set(nodes[0].node.metadata) > {"title", "year", SUBJECT} or kind == "json"
    judge = SchemaPostprocessor(registry=registry)
    assert len(judge.postprocess_nodes(nodes)) == len(nodes)
    registry.register("doc-meta", STRICT)
    stale = judge.postprocess_nodes(nodes)
    assert [item.node.metadata["schema_issue"] for item in stale] == ["stale"] * len(nodes)
    for item in nodes:
        item.node.metadata["year"] = "soon"
    assert judge.postprocess_nodes(nodes) == []


class PutsBefore(TransformComponent):
    """A step of a user's, which puts its key before all others."""

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        for node in nodes:
            node.metadata = {"batch": "b-7", **node.metadata}
        return nodes


class Sorts(TransformComponent):
    """A step of a user's, which adds a key and sorts all."""

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        for node in nodes:
            node.metadata = dict(sorted({**node.metadata, "batch": "b-7"}.items()))
        return nodes


@pytest.mark.parametrize("step", [PutsBefore(), Sorts()], ids=["before", "sorted"])
async def test_what_was_put_before_the_stamp_condemns_no_node_either(
    registry: Registry, step: Any
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, mode="warn")
    given = [
        Document(id_="a", text="x", metadata={"title": "t", "year": 1}),
        Document(id_="b", text="x", metadata={"title": "t"}),
        Document(id_="refused", text="x", metadata={"title": "t", "kind": 1}),
    ]
    nodes = [NodeWithScore(node=node) for node in step(transform(given))]
    judge = SchemaPostprocessor(registry=registry)
    kept = judge.postprocess_nodes(nodes)
    assert [item.node.node_id for item in kept] == ["a", "b"]
    registry.register("doc-meta", STRICT)
    kept = await judge.apostprocess_nodes(nodes)
    assert [item.node.node_id for item in kept] == ["a"]
    registry.delete("doc-meta@1", permanent=True)
    kept = SchemaPostprocessor(registry=registry).postprocess_nodes(nodes)
    assert kept == []  # nobody knows any more what was judged


BY_KIND: dict[str, Any] = {
    "type": "object",
    "properties": {"kind": {"type": "string"}},
    "required": ["kind"],
    "if": {"properties": {"kind": {"const": "report"}}, "required": ["kind"]},
    "then": {"properties": {"pages": True, "bound": {"type": "boolean"}}},
    "unevaluatedProperties": False,
}
"""Pages are a property of reports, and of nothing else."""
FEWER = {**BY_KIND, "then": {"properties": {"pages": {"maximum": 9}, "bound": True}}}


@pytest.mark.parametrize("step", [PutsBefore(), Sorts()], ids=["before", "sorted"])
def test_what_the_version_of_a_stamp_took_together_with_other_keys_is_judged(step: Any) -> None:
    with connect("memory://") as registry:
        registry.register("doc-meta", BY_KIND)
        transform = SchemaTransform(schema="doc-meta", registry=registry)
        given = [
            Document(id_="short", text="x", metadata={"kind": "report", "pages": 1, "bound": True}),
            Document(id_="long", text="x", metadata={"kind": "report", "pages": 99}),
        ]
        alone = [NodeWithScore(node=node) for node in transform(given)]
        added = [NodeWithScore(node=node) for node in step(transform(given))]
        judge = SchemaPostprocessor(registry=registry)
        assert judge.postprocess_nodes(added) == added
        registry.register("doc-meta", FEWER, compatibility="NONE")
        for nodes in (alone, added):
            kept = judge.postprocess_nodes(nodes)
            assert [item.node.node_id for item in kept] == ["short"]


def test_a_node_with_thousands_of_foreign_keys_keeps_no_query_busy(registry: Registry) -> None:
    [node] = SchemaTransform(schema="doc-meta", registry=registry)(
        [Document(metadata={"title": ""})]
    )
    for number, kept in ((5, 1), (5_000, 0)):
        foreign = {f"key-{n}": n for n in range(number)}
        nodes = [NodeWithScore(node=node.model_copy(update={"metadata": foreign | node.metadata}))]
        began = time.process_time()
        assert len(SchemaPostprocessor(registry=registry).postprocess_nodes(nodes)) == kept
        assert time.process_time() - began < 5


@pytest.mark.parametrize("keep", [False, True])
def test_no_query_waits_long_for_the_version_of_an_old_stamp(*, keep: bool) -> None:
    with ConfluentServer() as server, connect(server.url) as registry:
        registry.register("doc-meta", V1)
        transform = SchemaTransform(schema="doc-meta@1", registry=registry)
        given = [Document(id_=str(n), text="x", metadata={"title": "t"}) for n in range(20)]
        nodes = [NodeWithScore(node=node) for node in PutsBefore()(transform(given))]
        registry.register("doc-meta", STRICT, compatibility="NONE")
        with connect(server.url) as cold:
            judge = SchemaPostprocessor(registry=cold, keep_compatible=keep)
            cold.validator("doc-meta@latest")
            server.fail(Fault(delay=60, matching=lambda request: "/versions/1" in request.target))
            began = time.monotonic()
            assert [judge.postprocess_nodes(nodes) for _ in range(3)] == [[], [], []]
            assert time.monotonic() - began < 8  # one second for the version, and once


@pytest.mark.parametrize("kind", list(TEXTS))
async def test_it_stays_so_after_stamping_in_place(
    registry: Registry, tmp_path: Path, kind: str
) -> None:
    store = qdrant()
    steps = ready(registry, tmp_path, kind, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[Document(id_="a", text=TEXTS[kind], metadata={"title": "t", "year": 1})])
    before = {node.node_id: without_stamp(node.metadata) for node in store.get_nodes()}
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await integration.catch_up()
    assert result.in_place == ("a",)
    nodes = [NodeWithScore(node=node) for node in store.get_nodes()]
    judge = SchemaPostprocessor(registry=registry)
    assert judge.postprocess_nodes(nodes) == nodes
    assert {item.node.node_id: without_stamp(item.node.metadata) for item in nodes} == before


@pytest.mark.parametrize("make", [SimpleVectorStore, qdrant], ids=["simple", "qdrant"])
async def test_two_transforms_of_two_subjects_keep_their_stamps_apart(
    registry: Registry, tmp_path: Path, make: Any
) -> None:
    registry.register("titles", OPEN, compatibility="NONE")
    registry.register("years", {"required": ["year"]}, compatibility="NONE")
    store = make()
    pipeline: Any = IngestionPipeline  # its list of steps is invariant
    steps = pipeline(
        transformations=[
            SchemaTransform(schema=name, registry=registry, quarantine=tmp_path / name)
            for name in ("titles", "years")
        ]
        + [SentenceSplitter(), CountingEmbedding()],
        vector_store=store,
        docstore=SimpleDocumentStore(),
    )
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[Document(id_="a", text="x", metadata={"title": "t", "year": 1})])
    changes: list[tuple[str, dict[str, Any]]] = [
        ("titles", {**OPEN, "title": "2"}),
        ("years", {"required": ["year", "title"]}),
    ]
    for number, (changed, body) in enumerate(changes):
        elsewhere(registry).register(changed, body, compatibility="NONE")
        results = await integration.catch_up()
        assert [result.in_place for result in results] == [
            ("a",) if place == number else () for place in range(2)
        ]
    [stamps] = [list(stamps_of(metadata)) for metadata in kept(store)]
    assert [(stamp.subject, stamp.version) for stamp in stamps] == [("titles", "2"), ("years", "2")]
    elsewhere(registry).register("years", {"required": ["never"]}, compatibility="NONE")
    [_, refused] = await integration.catch_up()
    assert refused.set_aside == ("a",)
    assert list(kept(store)) == []


def kept(store: Any) -> Iterator[Any]:
    if isinstance(store, SimpleVectorStore):
        return iter(store.data.metadata_dict.values())
    return (node.metadata for node in store.get_nodes())


def test_a_node_of_two_subjects_is_dropped_if_one_refuses_it(registry: Registry) -> None:
    registry.register("titles", OPEN, compatibility="NONE")
    node: Any = Document(text="x", metadata={"title": "t", "topic": "a"})
    for name in ("titles", "topics"):
        [node] = SchemaTransform(schema=name, registry=registry)([node])
    item = NodeWithScore(node=node)
    assert SchemaPostprocessor(registry=registry).postprocess_nodes([item]) == [item]
    node.metadata["topic"] = 7
    assert SchemaPostprocessor(registry=registry).postprocess_nodes([item]) == []
    assert len(SchemaPostprocessor(schema="titles", registry=registry).postprocess_nodes([item]))


@pytest.mark.parametrize("key", ["schema_version", "schema_id", "schema_subject", "schema_valid"])
@pytest.mark.parametrize("make", [SimpleVectorStore, qdrant], ids=["simple", "qdrant"])
async def test_metadata_of_the_authors_own_that_is_called_alike_stays(
    tmp_path: Path, key: str, make: Any
) -> None:
    with connect("memory://") as registry:
        registry.register("doc-meta", OPEN, compatibility="NONE")
        store = make()
        steps = ready(registry, tmp_path, "extractor", store)
        integration = RAGPipelineIntegration(registry)
        integration.add_index("docs", steps)
        own = {"title": "t", key: "mine"}
        steps.run(documents=[Document(id_="a", text="First.", metadata=own)])
        [metadata] = kept(store)
        assert metadata[key] == "mine"
        stamp = stamp_of(metadata, "doc-meta")
        assert stamp is not None
        assert stamp.version == "1"
        elsewhere(registry).register("doc-meta", {**OPEN, "title": "2"}, compatibility="NONE")
        [result] = await integration.catch_up()
        assert result.in_place == ("a",)
        [metadata] = kept(store)
        assert metadata[key] == "mine"
        stamp = stamp_of(metadata, "doc-meta")
        assert stamp is not None
        assert stamp.version == "2"


async def test_what_an_author_called_alike_is_read_by_the_model_and_the_stamp_is_not(
    registry: Registry,
) -> None:
    registry.register("open", OPEN)
    given = Document(text="x", metadata={"title": "t", "schema_version": "mine"})
    [node] = SchemaTransform(schema="open", registry=registry)([given])
    assert "schema_version: mine" in node.get_content(MetadataMode.LLM)
    assert FINGERPRINT not in node.get_content(MetadataMode.LLM)
    assert await SchemaTransform(schema="open", registry=registry).acall([given]) == [node]
