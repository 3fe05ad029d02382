"""SchemaPostprocessor: what was retrieved and cannot be trusted is dropped, flagged or demoted."""

from __future__ import annotations

import copy
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.schema import MetadataMode, NodeWithScore

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryUnavailable, SchemaNotFound
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import ISSUE, SUBJECT
from llm_integrations.llamaindex import SchemaPostprocessor, SchemaTransform
from tests.support.rag import RELAXED, STRICT, document, registry

__all__ = ["registry"]

NOWHERE = "http://127.0.0.1:9"


def retrieved(registry: Registry, *documents: Any, scores: Any = None) -> list[NodeWithScore]:
    nodes = SchemaTransform(schema="doc-meta", registry=registry, mode="warn")(documents)
    marks = scores or [1.0 - 0.1 * place for place in range(len(nodes))]
    return [NodeWithScore(node=node, score=s) for node, s in zip(nodes, marks, strict=True)]


def names(nodes: list[NodeWithScore]) -> list[str]:
    return [item.node.id_ for item in nodes]


def bad() -> Any:
    return document("bad", year="soon")


def test_valid_and_current_nodes_pass_as_they_are(registry: Registry) -> None:
    nodes = retrieved(registry, document("a"), document("b"))
    assert SchemaPostprocessor(registry=registry).postprocess_nodes(nodes) == nodes


def test_invalid_nodes_are_dropped_flagged_or_demoted(registry: Registry) -> None:
    nodes = retrieved(registry, bad(), document("a"))
    drop, flag, demote = (
        SchemaPostprocessor(schema="doc-meta", registry=registry, on_invalid=action)
        for action in ("drop", "flag", "demote")
    )
    assert names(drop.postprocess_nodes(nodes)) == ["a"]
    flagged = flag.postprocess_nodes(nodes)
    assert names(flagged) == ["bad", "a"]
    assert flagged[0].node.metadata[ISSUE] == "invalid"
    demoted = demote.postprocess_nodes(nodes)
    assert names(demoted) == ["a", "bad"]
    assert demoted[1].score == 0.5


def test_a_demoted_score_goes_down_on_either_side_of_zero(registry: Registry) -> None:
    judge = SchemaPostprocessor(registry=registry, on_invalid="demote")
    for score in (2.0, -2.0):
        [item] = judge.postprocess_nodes(retrieved(registry, bad(), scores=[score]))
        assert item.score is not None
        assert item.score < score
    [item] = judge.postprocess_nodes([NodeWithScore(node=retrieved(registry, bad())[0].node)])
    assert item.score is None


def test_a_node_that_an_older_version_stamped_is_stale(registry: Registry) -> None:
    nodes = retrieved(registry, document("a", title="a", year=1), document("b"))
    registry.register("doc-meta", STRICT)
    judge = SchemaPostprocessor(registry=registry, on_invalid="drop", on_stale="flag")
    [item] = judge.postprocess_nodes(nodes)
    assert (item.node.id_, item.node.metadata[ISSUE]) == ("a", "stale")
    assert judge.counts == {"stale": 1, "flagged": 1, "invalid": 1, "dropped": 1}


def test_stale_alone_can_be_asked_for_and_left_alone(registry: Registry) -> None:
    nodes = retrieved(registry, document("a"))
    registry.register("doc-meta", STRICT)
    stale = SchemaPostprocessor(registry=registry, on_invalid="ignore", on_stale="drop")
    assert stale.postprocess_nodes(nodes) == []
    neither = SchemaPostprocessor(registry=registry, on_invalid="ignore", on_stale="ignore")
    assert neither.postprocess_nodes(nodes) == nodes


def test_a_node_stamped_by_a_schema_that_is_gone_is_stale(registry: Registry) -> None:
    nodes = retrieved(registry, document("a"))
    registry.delete_subject("doc-meta")
    judge = SchemaPostprocessor(registry=registry, on_stale="drop")
    assert judge.postprocess_nodes(nodes) == []


def test_a_stamp_that_is_no_reference_is_stale(registry: Registry) -> None:
    nodes = retrieved(registry, document("a"))
    nodes[0].node.metadata[SUBJECT] = "\x00"
    judge = SchemaPostprocessor(registry=registry, on_stale="drop")
    assert judge.postprocess_nodes(nodes) == []


def test_a_schema_that_was_configured_must_exist(registry: Registry) -> None:
    judge = SchemaPostprocessor(schema="nobody", registry=registry)
    with pytest.raises(SchemaNotFound):
        judge.postprocess_nodes(retrieved(registry, document("a")))


def test_unstamped_nodes_are_judged_by_a_given_schema_and_else_left_alone(
    registry: Registry,
) -> None:
    nodes = [NodeWithScore(node=document("a")), NodeWithScore(node=bad())]
    given = SchemaPostprocessor(schema="doc-meta", registry=registry)
    assert names(given.postprocess_nodes(nodes)) == ["a"]
    by_stamp = SchemaPostprocessor(registry=registry)
    assert by_stamp.postprocess_nodes(nodes) == nodes
    assert by_stamp.counts["unjudged"] == 2


def test_the_nodes_of_a_store_are_never_changed_in_place(registry: Registry) -> None:
    nodes = retrieved(registry, bad())
    before = copy.deepcopy(nodes)
    SchemaPostprocessor(registry=registry, on_invalid="demote").postprocess_nodes(nodes)
    assert nodes == before


def test_an_llm_does_not_read_the_flag(registry: Registry) -> None:
    given = SchemaPostprocessor(schema="doc-meta", registry=registry, on_invalid="flag")
    [item] = given.postprocess_nodes([NodeWithScore(node=bad(), score=1.0)])
    assert ISSUE not in item.node.get_content(MetadataMode.LLM)


async def test_async_decides_alike(registry: Registry) -> None:
    nodes = retrieved(registry, bad(), document("a"))
    judge = SchemaPostprocessor(registry=registry, on_invalid="demote")
    assert await judge.apostprocess_nodes(nodes) == judge.postprocess_nodes(nodes)
    assert judge.counts == {"kept": 2, "invalid": 2, "demoted": 2}


async def test_async_names_a_missing_schema_too(registry: Registry) -> None:
    nodes = retrieved(registry, document("a"))
    registry.delete_subject("doc-meta")
    with pytest.raises(SchemaNotFound):
        await SchemaPostprocessor(schema="doc-meta", registry=registry).apostprocess_nodes(nodes)
    judge = SchemaPostprocessor(registry=registry, on_stale="drop")
    assert await judge.apostprocess_nodes(nodes) == []


def test_threads_lose_no_count(registry: Registry) -> None:
    nodes = retrieved(registry, bad(), document("a"))
    judge = SchemaPostprocessor(registry=registry)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: judge.postprocess_nodes(nodes), range(400)))
    assert judge.counts == {"kept": 400, "invalid": 400, "dropped": 400}


def test_dropping_everything_is_said_because_the_answer_will_be_empty(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    index = VectorStoreIndex(
        [item.node for item in retrieved(registry, bad())],
        embed_model=MockEmbedding(embed_dim=4),
    )
    judge = SchemaPostprocessor(registry=registry)
    engine = index.as_query_engine(llm=MockLLM(), node_postprocessors=[judge])
    with caplog.at_level(logging.WARNING):
        assert str(engine.query("what?")) == "Empty Response"
    assert "all 1 retrieved nodes were dropped" in caplog.text


def test_a_registry_that_is_down_lets_pass_unless_told_otherwise(registry: Registry) -> None:
    nodes = retrieved(registry, document("a"))
    with connect(NOWHERE, retry=RetryOptions(attempts=1, deadline=0.2), timeout=0.2) as away:
        assert SchemaPostprocessor(registry=away).postprocess_nodes(nodes) == nodes
        strict = SchemaPostprocessor(registry=away, on_unavailable="raise")
        with pytest.raises(RegistryUnavailable):
            strict.postprocess_nodes(nodes)


def test_it_pickles_copies_and_is_serialised_without_its_registry(registry: Registry) -> None:
    nodes = retrieved(registry, document("a"))
    judge = SchemaPostprocessor(schema="doc-meta", registry=registry)
    for other in (pickle.loads(pickle.dumps(judge)), copy.deepcopy(judge)):
        assert other.postprocess_nodes(nodes) == nodes
    assert "registry" not in judge.to_dict()


def test_the_text_is_judged_too_if_asked_for(registry: Registry) -> None:
    registry.register("with-text", {**RELAXED, "properties": {"text": {"minLength": 5}}})
    judge = SchemaPostprocessor(schema="with-text", registry=registry, text_field="text")
    nodes = [NodeWithScore(node=document(name, name)) for name in ("short", "no")]
    assert names(judge.postprocess_nodes(nodes)) == ["short"]
