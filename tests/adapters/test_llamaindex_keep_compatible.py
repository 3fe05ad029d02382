"""Stamps of versions that the one in force takes all of stay as they are, if that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.ingestion import DocstoreStrategy
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import VALID
from llm_integrations.llamaindex import (
    RAGPipelineIntegration,
    SchemaPostprocessor,
    SchemaTransform,
)
from tests.support.rag import V1, by_document, document, fits, pipeline, qdrant

YEARS = {**V1["properties"], "year": {"type": ["integer", "null"]}}
WIDER: dict[str, Any] = {**V1, "properties": YEARS, "required": []}
STRICTER: dict[str, Any] = {**WIDER, "required": ["title", "year"]}

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("doc-meta", V1, compatibility="NONE")
        yield client


@pytest.fixture(params=[SimpleVectorStore, qdrant], ids=["simple", "qdrant"])
def store(request: pytest.FixtureRequest) -> Any:
    return request.param()


def kept(registry: Registry, store: Any, tmp_path: Path, **options: Any) -> Any:
    strategy = options.pop("docstore_strategy", DocstoreStrategy.UPSERTS)
    transform = SchemaTransform(
        schema="doc-meta", registry=registry, quarantine=tmp_path / "aside", **options
    )
    steps = pipeline(transform, store, docstore_strategy=strategy)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, keep_compatible=True)
    return steps, integration


def metadata_of(store: Any) -> list[dict[str, Any]]:
    if isinstance(store, SimpleVectorStore):
        return list(store.data.metadata_dict.values())
    return [node.metadata for node in store.get_nodes()]


async def test_a_change_that_takes_all_writes_nothing_and_is_stale_nowhere(
    registry: Registry, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, integration = kept(registry, store, tmp_path)
    steps.run(documents=[fits("a"), document("b"), document("c", kind="x")])
    before = by_document(store)
    nodes = integration.indexes["docs"].nodes
    registry.register("doc-meta", WIDER, compatibility="NONE")
    event = SchemaEvent.updated("2", "", "doc-meta", "2", previous_version="1")
    with monkeypatch.context() as patched:
        for name in ("stamp", "write", "delete", "delete_documents"):
            patched.setattr(nodes, name, lambda *_: pytest.fail("a store was written to"))
        [plan] = await integration.plan()
        assert (len(plan), plan.nodes, plan.texts) == (0, 0, 0)
        assert await integration.affected_documents(event) == []
        await integration.handle_schema_event(event)
        [result] = await integration.catch_up()
    assert not result
    assert by_document(store) == before
    [audit] = await integration.audit()
    assert audit.is_sound


async def test_what_it_may_refuse_is_judged_again_and_what_it_takes_comes_back(
    registry: Registry, store: Any, tmp_path: Path
) -> None:
    steps, integration = kept(registry, store, tmp_path)
    steps.run(documents=[fits("a"), document("b")])
    registry.register("doc-meta", STRICTER, compatibility="NONE")
    [result] = await integration.catch_up()
    assert (result.in_place, result.set_aside) == (("a",), ("b",))
    registry.register("doc-meta", WIDER, compatibility="NONE")
    [result] = await integration.catch_up()
    assert (result.reindexed, result.released) == ((), ("b",))
    versions = {name: versions for name, (_, versions) in by_document(store).items()}
    assert versions == {"a": {"2"}, "b": {"3"}}
    [audit] = await integration.audit()
    assert audit.is_sound


async def test_a_version_that_is_gone_or_another_by_now_proves_nothing(
    registry: Registry, store: Any, tmp_path: Path
) -> None:
    steps, integration = kept(registry, store, tmp_path)
    steps.run(documents=[fits("a")])
    registry.register("doc-meta", WIDER, compatibility="NONE")
    registry.delete("doc-meta@1", permanent=True)
    [result] = await integration.catch_up()
    assert result.in_place == ("a",)


async def test_a_proof_holds_as_long_as_its_version_is_in_the_registry(
    registry: Registry, store: Any, tmp_path: Path
) -> None:
    """Another process, which has no proof yet, would find the same documents stale."""
    steps, integration = kept(registry, store, tmp_path)
    steps.run(documents=[fits("a")])
    judge = SchemaPostprocessor(registry=registry, on_stale="drop", keep_compatible=True)
    [given] = SchemaTransform(schema="doc-meta", registry=registry)([fits("a")])
    nodes = [NodeWithScore(node=given)]
    registry.register("doc-meta", WIDER, compatibility="NONE")
    [plan] = await integration.plan()
    assert (len(plan), judge.postprocess_nodes(nodes)) == (0, nodes)
    registry.delete("doc-meta@1", permanent=True)
    [plan] = await integration.plan()
    assert (plan.documents, judge.postprocess_nodes(nodes)) == (("a",), [])
    [audit] = await integration.audit()
    assert audit.stale == ("a",)


async def test_what_passed_though_it_was_invalid_is_judged_again(
    registry: Registry, store: Any, tmp_path: Path
) -> None:
    steps, integration = kept(registry, store, tmp_path, mode="warn")
    steps.run(documents=[fits("a"), document("b", title="b", year=None)])
    registry.register("doc-meta", WIDER, compatibility="NONE")
    [result] = await integration.catch_up()
    assert result.in_place == ("b",)
    assert all(VALID not in metadata for metadata in metadata_of(store))


async def test_a_document_half_of_another_version_is_brought_up_to_date_whole(
    registry: Registry, store: Any, tmp_path: Path
) -> None:
    """As a run leaves it that is killed after the new nodes were written."""
    steps, integration = kept(registry, store, tmp_path)
    steps.run(documents=[fits("a")])
    [(name, (count, _))] = by_document(store).items()
    registry.register("doc-meta", WIDER, compatibility="NONE")
    nodes = integration.indexes["docs"].nodes
    first = next(iter(nodes.every(["doc-meta"])))
    nodes.stamp({first.node_id: {"schema_version": "2", "schema_fingerprint": "0" * 64}})
    [result] = await integration.catch_up()
    assert result.in_place == ("a",)
    assert by_document(store) == {name: (count, {"2"})}


@pytest.mark.parametrize("keep", [False, True])
async def test_a_text_that_was_set_aside_takes_the_place_of_the_one_in_the_index(
    registry: Registry, store: Any, tmp_path: Path, *, keep: bool
) -> None:
    """``duplicates_only`` leaves the nodes of the text before, which the stamp alone would keep."""
    steps, integration = kept(
        registry, store, tmp_path, docstore_strategy=DocstoreStrategy.DUPLICATES_ONLY
    )
    if not keep:
        integration.add_index("docs", steps)
    steps.run(documents=[document("a", "The old text.")])
    steps.run(documents=[document("a", "The new text.", year=None)])
    registry.register("doc-meta", WIDER, compatibility="NONE")
    [plan] = await integration.plan()
    assert (plan.in_place, plan.released, plan.texts) == ((), ("a",), 1)
    [result] = await integration.catch_up()
    assert result.released == ("a",)
    assert by_document(store) == {"a": (1, {"2"})}
    assert [text for text in steps.transformations[-1].texts if "new" in text]


async def test_a_postprocessor_that_is_told_so_finds_it_as_good_as_current(
    registry: Registry, tmp_path: Path
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry)
    nodes = [NodeWithScore(node=node) for node in transform([fits("a")])]
    told = SchemaPostprocessor(registry=registry, on_stale="drop", keep_compatible=True)
    untold = SchemaPostprocessor(registry=registry, on_stale="drop")
    registry.register("doc-meta", WIDER, compatibility="NONE")
    assert told.postprocess_nodes(nodes) == await told.apostprocess_nodes(nodes) == nodes
    assert untold.postprocess_nodes(nodes) == []
    registry.register("doc-meta", STRICTER, compatibility="NONE")
    assert told.postprocess_nodes(nodes) == []
    assert told.counts == {"kept": 2, "stale": 1, "dropped": 1}


def test_what_was_never_valid_is_as_good_as_nothing(registry: Registry) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, mode="warn")
    nodes = [NodeWithScore(node=node) for node in transform([document("a", title="a", year="?")])]
    judge = SchemaPostprocessor(
        registry=registry, on_invalid="ignore", on_stale="drop", keep_compatible=True
    )
    registry.register("doc-meta", WIDER, compatibility="NONE")
    assert judge.postprocess_nodes(nodes) == []
