"""What a change would cost is told before anything is written, and what is wrong is found."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from llama_index.core.schema import Document, TransformComponent
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.registry import Registry
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from tests.support.clients import elsewhere
from tests.support.rag import (
    QDRANT_WARNINGS,
    RELAXED,
    STRICT,
    CountingEmbedding,
    document,
    held,
    pipeline,
    quarantine,
    registry,
    store,
    transform,
)

__all__ = ["quarantine", "registry", "store", "transform"]

pytestmark = QDRANT_WARNINGS


def fits(name: str, text: str | None = None) -> Document:
    return document(name, text, title="t", year=2026)


def embedded(steps: Any) -> list[str]:
    model = steps.transformations[-1]
    assert isinstance(model, CountingEmbedding)
    return model.texts


def content(store: Any) -> Any:
    if isinstance(store, SimpleVectorStore):
        return deepcopy(store.data)
    return sorted((node.node_id, str(node.metadata)) for node in store.get_nodes())


def nodes_of(store: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    if isinstance(store, SimpleVectorStore):
        sources = list(store.data.text_id_to_ref_doc_id.values())
    else:
        sources = [node.ref_doc_id for node in store.get_nodes()]
    for source in sources:
        found[source] = found.get(source, 0) + 1
    return found


async def test_a_plan_says_what_will_happen_and_nothing_has_happened(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    def load(names: Sequence[str]) -> list[Document]:
        texts = {"new": "new tells something. " * 20}
        kept = {"refused": document("refused")}
        return [kept.get(n, fits(n, texts.get(n))) for n in names if n != "nowhere"]

    steps: Any = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, documents=load)
    names = ("same", "new", "nowhere")
    steps.run(documents=[*map(fits, names), document("refused"), document("bad", kind="x")])
    before, asked, aside = content(store), len(embedded(steps)), held(transform)
    count = nodes_of(store)
    elsewhere(registry).register("doc-meta", STRICT)
    [plan] = await integration.plan()
    assert (content(store), len(embedded(steps)), held(transform)) == (before, asked, aside)
    assert plan.documents == ("same", "new", "nowhere", "refused")
    assert (plan.in_place, plan.refused, plan.missing) == (("same",), ("refused",), ("nowhere",))
    assert plan.nodes == count["same"] + count["new"] + count["refused"]
    [result] = await integration.catch_up()
    assert plan.texts == len(embedded(steps)) - asked
    assert plan.tokens >= 80
    assert (result.in_place, result.set_aside, result.missing) == (
        plan.in_place,
        plan.refused,
        plan.missing,
    )
    assert str(plan).startswith("docs: 4 documents, 1 in place, 1 refused, 1 missing; ")


async def test_a_plan_of_a_relaxing_change_asks_for_what_comes_back_alone(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), fits("b"), document("back", kind="x")])
    asked = len(embedded(steps))
    elsewhere(registry).register("doc-meta", RELAXED)
    [plan] = await integration.plan()
    assert (plan.in_place, plan.released) == (("a", "b"), ("back",))
    [result] = await integration.catch_up()
    assert (result.in_place, result.released) == (plan.in_place, plan.released)
    assert plan.texts == len(embedded(steps)) - asked > 0
    assert len((await integration.plan())[0]) == 0


async def test_an_audit_names_what_is_missing_doubled_stale_and_unknown_and_repairs_it(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    steps: Any = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    names = ("sound", "missing", "doubled", "unknown")
    steps.run(documents=[*map(fits, names), document("bad", kind="x")])
    whole = nodes_of(store)
    [sound] = await integration.audit()
    assert sound.is_sound
    assert str(sound) == "docs: 5 documents, nothing wrong (doc-meta@1)"
    store.delete("missing")
    steps.docstore.delete_document("doubled")
    steps.run(documents=[fits("doubled")])  # as if it had not been there
    steps.docstore.delete_document("unknown")
    [found] = await integration.audit()
    assert (found.missing, found.doubled, found.stale) == (("missing",), ("doubled",), ())
    assert found.unknown == ("unknown",)
    assert str(found) == "docs: 4 documents, 1 missing, 1 doubled, 1 unknown (doc-meta@1)"
    elsewhere(registry).register("doc-meta", STRICT)
    [found] = await integration.audit(repair=True)
    assert set(found.stale) == {"sound", "doubled", "unknown"}
    assert await integration.forget(["unknown"]) == 1
    [found] = await integration.audit()
    assert found.is_sound
    assert nodes_of(store) == {n: count for n, count in whole.items() if n != "unknown"}


async def test_an_audit_says_when_doubled_documents_cannot_be_told(
    registry: Registry, transform: SchemaTransform
) -> None:
    class Odd(TransformComponent):
        def __call__(self, nodes: Any, **kwargs: Any) -> Any:
            return nodes

    steps = pipeline(transform, SimpleVectorStore())
    steps.transformations.insert(2, Odd())
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a")])
    [found] = await integration.audit()
    assert found.unchecked == ("Odd",)
    assert found.is_sound
