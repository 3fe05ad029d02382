"""A VectorStoreIndex without a pipeline is kept in step, as far as its nodes tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, ImageDocument, NodeWithScore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex import (
    RAGPipelineIntegration,
    SchemaPostprocessor,
    SchemaTransform,
    persist_pipeline,
)
from tests.support.clients import elsewhere
from tests.support.rag import (
    QDRANT_WARNINGS,
    RELAXED,
    STRICT,
    CountingEmbedding,
    document,
    qdrant,
    quarantine,
    registry,
    store,
    transform,
)

__all__ = ["quarantine", "registry", "store", "transform"]

pytestmark = QDRANT_WARNINGS


def index_of(transform: SchemaTransform, store: Any, *documents: Document, **options: Any) -> Any:
    splitter = SentenceSplitter(chunk_size=40, chunk_overlap=0)
    options.setdefault("transformations", [transform, splitter])
    return VectorStoreIndex.from_documents(
        documents,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=CountingEmbedding(),
        **options,
    )


def again(transform: SchemaTransform, store: Any) -> Any:
    """The index as after a restart, when nothing knows the documents but the vector store."""
    steps = [transform, SentenceSplitter(chunk_size=40, chunk_overlap=0)]
    return VectorStoreIndex.from_vector_store(
        store, embed_model=CountingEmbedding(), transformations=steps
    )


def retrieved(index: Any) -> list[NodeWithScore]:
    found: list[NodeWithScore] = index.as_retriever(similarity_top_k=100).retrieve("what?")
    return found


def versions(index: Any) -> dict[str, str]:
    return {n.node.ref_doc_id or n.node.node_id: n.node.metadata[VERSION] for n in retrieved(index)}


def embedded(index: Any) -> list[str]:
    texts: list[str] = index._embed_model.texts
    return texts


def fits(name: str) -> Document:
    return document(name, title=name, year=1)


async def test_what_fits_is_stamped_in_place_and_what_was_set_aside_comes_back(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    index = index_of(transform, store, fits("a"), document("b"), document("bad", kind="x"))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", index)
    nodes, texts = len(retrieved(index)), len(embedded(index))
    elsewhere(registry).register("doc-meta", STRICT)
    [plan] = await rag.plan()
    assert (plan.in_place, plan.missing, plan.texts) == (("a",), ("b",), 0)
    [result] = await rag.catch_up()
    assert (result.in_place, result.missing, result.set_aside) == (("a",), ("b",), ())
    assert (versions(index), len(retrieved(index))) == ({"a": "2", "b": "1"}, nodes)
    assert len(embedded(index)) == texts
    [audit] = await rag.audit()
    assert (audit.stale, audit.unknown, audit.missing, audit.doubled) == (("b",), (), (), ())
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await rag.catch_up()
    assert (set(result.in_place), result.released) == ({"a", "b"}, ("bad",))
    assert versions(index) == dict.fromkeys(("a", "b", "bad"), "3")
    judge = SchemaPostprocessor(registry=registry)
    assert judge.postprocess_nodes(retrieved(index)) == retrieved(index)
    assert await rag.forget(["a", "bad"]) == 2
    assert set(versions(index)) == {"b"}
    assert not (await rag.catch_up())[0]


async def test_after_a_restart_only_the_nodes_are_left_to_tell(
    registry: Registry, transform: SchemaTransform, tmp_path: Path
) -> None:
    store = qdrant()
    index_of(transform, store, fits("a"), document("b"), document("bad", kind="x"))
    index = again(transform, store)
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", index)
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await rag.catch_up()
    assert (result.in_place, result.missing, embedded(index)) == (("a",), ("b",), [])
    assert versions(index) == {"a": "2", "b": "1"}
    assert (await rag.audit())[0].unknown == ()
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await rag.catch_up()
    assert (set(result.in_place), result.unknown) == ({"a", "b"}, ("bad",))
    [result] = await rag.release(["bad"])
    assert result.released == ("bad",)
    assert set(versions(index)) == {"a", "b", "bad"}
    assert isinstance(transform.quarantine, Quarantine)
    assert transform.quarantine.count() == 0
    assert not (await rag.catch_up())[0]


async def test_a_loader_gives_the_texts_that_the_index_does_not_keep(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    def load(names: Any) -> Any:
        sources = {"a": fits("a"), "b": document("b"), "c": document("c", "c is new", year=1)}
        return [sources[name] for name in names]

    index = index_of(transform, store, *(document(name) for name in "abc"))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", index, documents=load)
    texts = len(embedded(index))
    elsewhere(registry).register("doc-meta", {**RELAXED, "required": ["year"]})
    [result] = await rag.catch_up()
    assert (set(result.reindexed), result.set_aside) == ({"a", "c"}, ("b",))
    assert versions(index) == {"a": "2", "c": "2"}
    assert any("c is new" in text for text in embedded(index)[texts:])
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await rag.catch_up()
    assert (result.released, set(result.in_place)) == (("b",), {"a", "c"})
    assert set(versions(index)) == {"a", "b", "c"}
    assert index.refresh_ref_docs(list(load("abc"))) == [False] * 3


@pytest.mark.parametrize("kind", ["document", "image"])
async def test_documents_that_are_their_own_nodes_keep_their_hashes_and_come_and_go(
    registry: Registry, transform: SchemaTransform, store: Any, kind: str
) -> None:
    def given(name: str, **metadata: Any) -> Document:
        if kind == "document":
            return document(name, **metadata)
        return ImageDocument(id_=name, image=b"\x89PNG", text="a picture", metadata=metadata)

    a, b, bad = (str(UUID(int=n)) for n in range(3))  # as Qdrant wants them
    documents = [given(a, title="a", year=1), given(b, title="b"), given(bad, kind="x")]
    index = index_of(transform, store, transformations=[transform])
    for one in documents:
        index.insert(one)
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", index)
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await rag.catch_up()
    assert result.in_place == (a,)
    assert versions(index)[a] == "2"
    elsewhere(registry).register("doc-meta", RELAXED)
    await rag.catch_up()
    assert versions(index) == dict.fromkeys((a, b, bad), "3")
    assert index.refresh_ref_docs(documents) == [False] * 3
    assert not (await rag.catch_up())[0]


async def test_metadata_is_migrated_where_it_lies(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    def migrate(found: Any) -> Any:
        return {"name": found.get("name") or found["title"]}

    index = index_of(transform, store, document("a"), document("b", title="b", year=3))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", index, migrate=migrate)
    new = {"type": "object", "required": ["name"], "additionalProperties": False}
    elsewhere(registry).register("doc-meta", {**new, "properties": {"name": {"type": "string"}}})
    [result] = await rag.catch_up()
    assert set(result.in_place) == {"a", "b"}
    found = [item.node.metadata for item in retrieved(index)]
    assert all(set(m) >= {"name", VERSION} and "title" not in m for m in found)
    judge = SchemaPostprocessor(registry=registry)
    assert len(judge.postprocess_nodes(retrieved(index))) == len(found)


async def test_an_index_in_memory_is_saved_with_what_was_stamped(
    registry: Registry, transform: SchemaTransform, tmp_path: Path
) -> None:
    index = index_of(transform, SimpleVectorStore(), fits("a"))
    rag = RAGPipelineIntegration(registry)
    rag.add_index("docs", index, persist=tmp_path / "storage")
    elsewhere(registry).register("doc-meta", STRICT)
    await rag.catch_up()
    context = StorageContext.from_defaults(persist_dir=str(tmp_path / "storage"))
    loaded = load_index_from_storage(context, embed_model=CountingEmbedding())
    assert versions(loaded) == {"a": "2"}
    persist_pipeline(index, tmp_path / "other")
    assert (tmp_path / "other" / "index_store.json").exists()


async def test_what_a_plain_index_cannot_do_is_said(
    registry: Registry, transform: SchemaTransform, tmp_path: Path
) -> None:
    rag = RAGPipelineIntegration(registry)
    with pytest.raises(ConfigurationError, match="no SchemaTransform: give one first"):
        rag.add_index("bare", index_of(transform, qdrant(), transformations=[SentenceSplitter()]))
    with_text = SchemaTransform(
        schema="doc-meta", registry=registry, quarantine=tmp_path / "q", text_field="text"
    )
    elsewhere(registry).register("doc-meta", {})
    index = index_of(with_text, qdrant(), document("a"))
    rag.add_index("docs", index)
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await rag.catch_up()  # judging the text needs the text
    assert result.missing == ("a",)
