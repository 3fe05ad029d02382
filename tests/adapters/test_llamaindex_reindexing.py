"""A document that fails takes no other with it, and one that changes meanwhile is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from llama_index.core.bridge.pydantic import Field
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import HierarchicalNodeParser, SentenceSplitter
from llama_index.core.schema import Document, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.stamp import VALID, VERSION
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from tests.support.clients import elsewhere
from tests.support.rag import (
    QDRANT_WARNINGS,
    RELAXED,
    STRICT,
    CountingEmbedding,
    document,
    pipeline,
    qdrant,
    quarantine,
    registry,
    store,
    transform,
)

__all__ = ["quarantine", "registry", "store", "transform"]

pytestmark = QDRANT_WARNINGS


class Picky(CountingEmbedding):
    """An embedding model that refuses texts in which a word occurs, and calls a function first."""

    refused: list[str] = Field(default_factory=list)
    before: Any = None

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        if self.before is not None:
            self.before()
        if any(f"{word} " in text for word in self.refused for text in texts):
            raise ValueError("the input is too long")
        return [self._get_text_embedding(text) for text in texts]


def fits(name: str, text: str | None = None) -> Document:
    return document(name, text, title="t", year=2026)


def newer(names: Sequence[str]) -> list[Document]:
    """Each document with another text than the one that was embedded."""
    return [fits(name, f"{name} tells something. " * 20) for name in names]


def by_document(store: Any) -> dict[str, list[str]]:
    """For each document in a store the versions on its nodes."""
    found: dict[str, list[str]] = {}
    if isinstance(store, SimpleVectorStore):
        for node, source in store.data.text_id_to_ref_doc_id.items():
            found.setdefault(source, []).append(store.data.metadata_dict[node][VERSION])
    else:
        for node in store.get_nodes():
            found.setdefault(node.ref_doc_id, []).append(node.metadata[VERSION])
    return found


def picky(transform: SchemaTransform, store: Any, **options: Any) -> tuple[Any, Picky]:
    steps = pipeline(transform, store, **options)
    model = Picky(embed_dim=4)
    steps.transformations[-1] = model
    return steps, model


async def test_one_document_that_cannot_be_embedded_is_named_and_stops_no_other(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    steps, model = picky(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=newer)
    names = [f"d{number:02}" for number in range(40)]
    steps.run(documents=[fits(name) for name in names])
    before = by_document(store)
    elsewhere(registry).register("doc-meta", STRICT)
    model.refused = ["d07", "d33"]
    [result] = await integration.catch_up()
    reason = "ValueError: the input is too long"
    assert result.failed == (("d07", reason), ("d33", reason))
    assert set(result.reindexed) == set(names) - {"d07", "d33"}
    assert str(result) == "docs: 38 reindexed, 0 set aside, 2 failed (doc-meta@2)"
    after = by_document(store)
    assert {name: len(versions) for name, versions in after.items()} == {
        name: len(versions) for name, versions in before.items()
    }
    assert {name for name, versions in after.items() if "1" in versions} == {"d07", "d33"}
    model.refused = []
    [result] = await integration.catch_up()
    assert result.reindexed == ("d07", "d33")
    assert {version for versions in by_document(store).values() for version in versions} == {"2"}


async def test_a_quarantined_document_whose_metadata_exceeds_a_chunk_stops_no_other(
    registry: Registry, transform: SchemaTransform, quarantine: Quarantine, store: Any
) -> None:
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[document("long", kind="word " * 100), document("short", kind="x")])
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert result.released == ("short",)
    [(name, reason)] = result.failed
    assert name == "long"
    assert reason.startswith("ValueError: Metadata length")
    assert [record.position for record in quarantine.records()] == ["long"]
    assert set(by_document(store)) == {"short"}


async def test_a_model_that_fails_for_everything_is_not_asked_for_everything(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps, model = picky(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=newer, batch_size=10)
    names = [f"d{number:02}" for number in range(60)]
    steps.run(documents=[fits(name) for name in names])
    elsewhere(registry).register("doc-meta", STRICT)
    model.refused = names
    asked: list[int] = []
    model.before = lambda: asked.append(1)
    [result] = await integration.catch_up()
    assert {name for name, _ in result.failed} == set(names)
    assert sum("not tried" in reason for _, reason in result.failed) > 30
    assert len(asked) < 30
    assert set(by_document(store)) == set(names)


async def test_a_reason_quotes_nothing_of_the_document(
    registry: Registry, transform: SchemaTransform
) -> None:
    class Quoting(TransformComponent):
        def __call__(self, nodes: Any, **kwargs: Any) -> Any:
            raise ValueError(f"cannot embed {nodes[0].text[:40]}")

    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=newer)
    steps.run(documents=[fits("a")])
    elsewhere(registry).register("doc-meta", STRICT)
    steps.transformations.insert(1, Quoting())
    [result] = await integration.catch_up()
    assert result.failed == (("a", "ValueError"),)


@pytest.mark.parametrize("strategy", list(DocstoreStrategy))
async def test_an_update_while_its_document_is_reindexed_is_not_lost(
    registry: Registry, transform: SchemaTransform, store: Any, strategy: DocstoreStrategy
) -> None:
    steps, model = picky(transform, store, docstore_strategy=strategy)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=newer)
    steps.run(documents=[fits("a"), fits("b")])
    elsewhere(registry).register("doc-meta", STRICT)
    updated = [fits("a", "the update"), fits("b")]

    def update() -> None:
        model.before = None
        if strategy is DocstoreStrategy.DUPLICATES_ONLY:
            store.delete("a")  # it never replaces anything itself
        steps.run(documents=updated)

    model.before = update
    [result] = await integration.catch_up()
    assert result.reindexed == ("b",)
    assert by_document(store)["a"] == ["2"]
    assert steps.docstore.get_document_hash("a") == updated[0].hash
    assert steps.run(documents=updated[:1]) == []


async def test_an_update_between_writing_and_deleting_is_not_doubled(
    registry: Registry, transform: SchemaTransform, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, _ = picky(transform, store)
    integration = RAGPipelineIntegration(registry)
    index = integration.add_index("docs", steps, documents=newer)
    steps.run(documents=[fits("a"), fits("b")])
    elsewhere(registry).register("doc-meta", STRICT)
    write = type(index.nodes).write

    def writing(self: Any, nodes: Any) -> None:
        write(self, nodes)
        monkeypatch.undo()
        steps.run(documents=[fits("a", "the update")])

    monkeypatch.setattr(type(index.nodes), "write", writing)
    await integration.catch_up()
    assert by_document(store)["a"] == ["2"]
    assert set(by_document(store)) == {"a", "b"}


async def test_a_loader_is_asked_once_and_no_text_is_stored_that_was_not_to_be(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    asked: list[Sequence[str]] = []

    def load(names: Sequence[str]) -> list[Document]:
        asked.append(names)
        return newer(names)

    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=load)
    steps.run(documents=[fits("a"), fits("b")], store_doc_text=False)
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await integration.catch_up()
    assert set(result.reindexed) == {"a", "b"}
    assert [sorted(names) for names in asked] == [["a", "b"]]
    assert steps.docstore is not None
    assert steps.docstore.docs == {}
    assert steps.run(documents=newer(["a", "b"]), store_doc_text=False) == []


async def test_a_loader_that_gives_the_text_that_was_embedded_costs_no_embedding(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    steps, model = picky(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=lambda names: [fits(name) for name in names])
    steps.run(documents=[fits("a"), fits("b")], store_doc_text=False)
    embedded = len(model.texts)
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await integration.catch_up()
    assert set(result.in_place) == {"a", "b"}
    assert len(model.texts) == embedded
    assert {version for versions in by_document(store).values() for version in versions} == {"2"}


async def test_a_limit_takes_on_so_many_documents_and_the_next_call_goes_on(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits(str(number)) for number in range(5)])
    elsewhere(registry).register("doc-meta", STRICT)
    done = [(await integration.catch_up(limit=2))[0].reindexed for _ in range(4)]
    assert [len(names) for names in done] == [2, 2, 1, 0]
    with pytest.raises(ConfigurationError, match="limit"):
        await integration.catch_up(limit=0)


async def test_what_several_parsers_made_of_a_document_is_replaced_with_its_relations(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = qdrant()
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[200, 60], chunk_overlap=0)
    steps = IngestionPipeline(
        transformations=[transform, parser, CountingEmbedding()],
        vector_store=store,
        docstore=SimpleDocumentStore(),
    )
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=newer)
    steps.run(documents=[fits("a"), fits("b")])
    count = len(store.get_nodes())
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.catch_up()
    nodes = {node.node_id: node for node in store.get_nodes()}
    assert len(nodes) == count
    parents = [node.parent_node.node_id for node in nodes.values() if node.parent_node]
    assert parents
    assert set(parents) <= set(nodes)


async def test_a_pipeline_that_splits_before_it_judges_is_reindexed_whole(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    steps = pipeline(transform, store)
    steps.transformations = [
        SentenceSplitter(chunk_size=40, chunk_overlap=0),
        transform,
        CountingEmbedding(),
    ]
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), document("b"), document("c", kind="x")])
    count = {name: len(versions) for name, versions in by_document(store).items()}
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert (set(result.reindexed), result.released) == ({"a", "b"}, ("c",))
    after = by_document(store)
    assert {name: len(after[name]) for name in count} == count
    assert {version for versions in after.values() for version in versions} == {"2"}
    assert not (await integration.catch_up())[0]


async def test_deletes_come_by_node_id_and_once_for_a_batch(
    registry: Registry, transform: SchemaTransform, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = qdrant()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=newer, batch_size=8)
    steps.run(documents=[fits(str(number)) for number in range(20)])
    old = {node.node_id for node in store.get_nodes()}
    deleted: list[list[str]] = []
    delete = store.client.delete

    def counting(name: str, points_selector: Any, **options: Any) -> Any:
        deleted.append(points_selector.points)
        return delete(name, points_selector, **options)

    monkeypatch.setattr(store.client, "delete", counting)
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.catch_up()
    assert len(deleted) == 3
    assert {node for batch in deleted for node in batch} == old


async def test_under_warn_the_verdict_is_written_in_place_and_taken_away_again(
    registry: Registry, store: Any
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, mode="warn")
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[document("a")])
    verdicts = []
    for body in (STRICT, RELAXED):
        elsewhere(registry).register("doc-meta", body, compatibility="NONE")
        [result] = await integration.catch_up()
        assert result.in_place == ("a",)
        verdicts.append({metadata.get(VALID) for metadata in all_metadata(store)})
    assert verdicts == [{False}, {None}]


def all_metadata(store: Any) -> list[Any]:
    if isinstance(store, SimpleVectorStore):
        return list(store.data.metadata_dict.values())
    return [node.metadata for node in store.get_nodes()]
