"""A migration changes metadata before a new version judges it, and costs no embedding call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.evolution import migration_guide
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import without_stamp
from llm_integrations.llamaindex import (
    RAGPipelineIntegration,
    SchemaPostprocessor,
    SchemaTransform,
)
from tests.support.clients import elsewhere
from tests.support.rag import (
    QDRANT_WARNINGS,
    CountingEmbedding,
    document,
    pipeline,
    quarantine,
    store,
    transform,
)

__all__ = ["quarantine", "store", "transform"]

pytestmark = QDRANT_WARNINGS

OLD: dict[str, Any] = {
    "type": "object",
    "properties": {"titel": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["titel"],
    "additionalProperties": False,
}
NEW: dict[str, Any] = {
    **OLD,
    "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["title"],
}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("doc-meta", OLD, compatibility="NONE")
        yield client


def metadata(store: Any) -> list[dict[str, Any]]:
    if isinstance(store, SimpleVectorStore):
        return [_own(found) for found in store.data.metadata_dict.values()]
    return [dict(without_stamp(node.metadata)) for node in store.get_nodes()]


def _own(found: Any) -> dict[str, Any]:
    ours = ("_node_type", "document_id", "doc_id", "ref_doc_id")
    return {key: value for key, value in without_stamp(found).items() if key not in ours}


GUIDE = migration_guide(OLD, NEW)


@pytest.mark.parametrize(
    "migrate",
    [GUIDE, GUIDE.migrate, lambda found: {"title": found.get("titel"), "year": found["year"]}],
    ids=["guide", "draft", "function"],
)
async def test_migrated_metadata_is_written_in_place(
    registry: Registry, transform: SchemaTransform, store: Any, migrate: Any
) -> None:
    steps: Any = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, migrate=migrate)
    given = document("a", titel="A", year=1)
    steps.run(documents=[given])
    model = steps.transformations[-1]
    assert isinstance(model, CountingEmbedding)
    embedded, count = len(model.texts), len(metadata(store))
    elsewhere(registry).register("doc-meta", NEW)
    [plan] = await integration.plan()
    assert (plan.in_place, plan.refused, plan.texts) == (("a",), (), 0)
    [result] = await integration.catch_up()
    assert (result.in_place, len(model.texts)) == (("a",), embedded)
    assert metadata(store) == [{"title": "A", "year": 1}] * count
    if not isinstance(store, SimpleVectorStore):
        nodes = [NodeWithScore(node=node) for node in store.get_nodes()]
        assert SchemaPostprocessor(registry=registry).postprocess_nodes(nodes) == nodes
        payload = store.client.scroll("docs")[0][0].payload
        assert ("titel" in payload, payload["title"]) == (False, "A")
    assert steps.docstore.get_document("a").metadata == {"title": "A", "year": 1}
    assert steps.run(documents=[given]) == []  # the docstore still knows it as it came


async def test_what_is_refused_after_the_migration_too_is_set_aside_as_it_came(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, migrate=lambda found: {**found, "title": 7})
    steps.run(documents=[document("a", titel="A")])
    elsewhere(registry).register("doc-meta", NEW)
    [result] = await integration.catch_up()
    assert result.set_aside == ("a",)
    assert isinstance(transform.quarantine, Quarantine)
    [record] = transform.quarantine.records()
    assert record.judged == {"titel": "A"}
    [again] = await integration.catch_up()
    assert not again


async def test_a_migration_that_fails_names_the_document_and_stops_no_other(
    registry: Registry, transform: SchemaTransform
) -> None:
    steps = pipeline(transform, SimpleVectorStore())
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, migrate=lambda found: {"title": found["titel"][3]})
    steps.run(documents=[document("a", titel="long"), document("b", titel="x")])
    elsewhere(registry).register("doc-meta", NEW)
    [result] = await integration.catch_up()
    assert result.reindexed == ("a",)
    assert result.failed == (("b", "IndexError: string index out of range"),)


@pytest.mark.parametrize("migrate", ["x = 1", 7])
def test_what_is_no_migration_is_refused(
    registry: Registry, transform: SchemaTransform, migrate: Any
) -> None:
    steps = pipeline(transform, SimpleVectorStore())
    with pytest.raises(ConfigurationError, match="migrate"):
        RAGPipelineIntegration(registry).add_index("docs", steps, migrate=migrate)
