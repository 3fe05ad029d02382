"""What was set aside survives, whatever it is; what was erased stays erased."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_index.core.bridge.pydantic import Field
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
    TransformComponent,
)
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import without_stamp
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from llm_integrations.llamaindex.node_record import read_node, write_node
from tests.support.clients import elsewhere
from tests.support.rag import (
    RELAXED,
    STRICT,
    CountingEmbedding,
    document,
    held,
    pipeline,
    quarantine,
    registry,
    transform,
)

__all__ = ["quarantine", "registry", "transform"]

RAW = b"\x89PNG\r\n\x1a\n\x00\xff"
FILM = MediaResource(data=RAW, path=Path("/v.mp4"))
UNTITLED = {"kind": "x"}


class Seen(TransformComponent):
    """Remembers the nodes that came through, and fails while it is told to."""

    nodes: list[Any] = Field(default_factory=list)
    fails: bool = False

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        if self.fails:
            raise RuntimeError("no model")
        self.nodes.extend(node.model_copy(deep=True) for node in nodes)
        return nodes


def whole(transform: SchemaTransform, **options: Any) -> tuple[Any, Seen]:
    """A pipeline that keeps whole nodes."""
    seen = Seen()
    options.setdefault("docstore", SimpleDocumentStore())
    steps = [transform, seen, CountingEmbedding()]
    return IngestionPipeline(
        transformations=steps, vector_store=SimpleVectorStore(), **options
    ), seen


media = st.builds(
    MediaResource,
    data=st.one_of(st.none(), st.binary(min_size=1, max_size=40)),
    url=st.one_of(st.none(), st.just("https://example.com/a.png")),
    path=st.one_of(st.none(), st.just("/tmp/a.png")),
    mimetype=st.one_of(st.none(), st.just("image/png")),
    embeddings=st.one_of(st.none(), st.just({"dense": [0.5, 1.0]})),
)
texts = st.text(max_size=20)
common: dict[str, Any] = {
    "id_": st.just("i"),
    "metadata": st.dictionaries(st.sampled_from(["kind", "page"]), st.integers() | texts),
    "embedding": st.one_of(st.none(), st.just([0.5, 0.25])),
    "excluded_llm_metadata_keys": st.lists(st.just("page"), max_size=1),
    "relationships": st.sampled_from([{}, {NodeRelationship.NEXT: RelatedNodeInfo(node_id="n")}]),
}
resources: dict[str, Any] = {
    "text_resource": st.one_of(st.none(), st.builds(MediaResource, text=texts)),
    "image_resource": st.one_of(st.none(), media),
    "audio_resource": st.one_of(st.none(), media),
    "video_resource": st.one_of(st.none(), media),
}
plain = st.builds(TextNode, text=texts, **common)
nodes: st.SearchStrategy[BaseNode] = st.one_of(
    plain,
    st.builds(Node, **resources, **common),
    st.builds(Document, **resources, **common),
    st.builds(ImageDocument, **resources, **common),
    st.builds(ImageNode, text=texts, image=st.one_of(st.none(), st.just("aGVsbG8=")), **common),
    st.builds(
        IndexNode,
        text=texts,
        index_id=st.just("z"),
        obj=st.one_of(
            st.none(), plain, st.builds(Document, **resources, **common), st.just({"a": [1]}), texts
        ),
        **common,
    ),
)


def unstamped(node: BaseNode) -> BaseNode:
    node.metadata = dict(without_stamp(node.metadata))
    for keys in (node.excluded_llm_metadata_keys, node.excluded_embed_metadata_keys):
        keys[:] = [key for key in keys if not key.startswith("schema_")]
    return node


def same(one: BaseNode, other: BaseNode) -> bool:
    return type(one) is type(other) and write_node(one) == write_node(other)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(nodes, min_size=3, max_size=6))
def test_every_node_and_resource_comes_back_as_it_was_set_aside(
    several: list[BaseNode], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("aside")
    given = {f"i{n}": one.model_copy(update={"id_": f"i{n}"}) for n, one in enumerate(several)}
    refusing = {"required": ["never"]}
    with connect("memory://") as registry:
        registry.register("doc-meta", refusing, compatibility="NONE")
        transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=folder)
        steps, seen = whole(transform)
        integration = RAGPipelineIntegration(registry)
        integration.add_index("docs", steps)
        steps.run(nodes=[node.model_copy(deep=True) for node in given.values()])
        assert (seen.nodes, held(transform)) == ([], len(given))
        registry.register("doc-meta", {}, compatibility="NONE")
        [result] = registry.run(integration.catch_up())
        assert (set(result.released), held(transform)) == (set(given), 0)
        assert all(same(unstamped(node), given[node.id_]) for node in seen.nodes)
        assert set(steps.vector_store.data.embedding_dict) == set(given)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ImageDocument(id_="i", image=RAW, metadata=UNTITLED),
        lambda: Document(id_="i", audio_resource=MediaResource(data=RAW), metadata=UNTITLED),
        lambda: Document(id_="i", text="t", video_resource=FILM, metadata=UNTITLED),
    ],
    ids=["image", "audio", "video"],
)
async def test_a_release_that_was_interrupted_is_made_good_and_destroys_nothing(
    registry: Registry, transform: SchemaTransform, make: Callable[[], BaseNode]
) -> None:
    steps, seen = whole(transform)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(nodes=[make()])
    elsewhere(registry).register("doc-meta", RELAXED)
    seen.fails = True
    [failed] = await integration.catch_up()
    assert (failed.failed, held(transform)) == ((("i", "RuntimeError: no model"),), 1)
    seen.fails = False
    [result] = await integration.catch_up()
    assert (result.released, held(transform)) == (("i",), 0)
    assert same(unstamped(seen.nodes[0]), make())


async def test_a_mark_of_an_older_version_is_no_reason_to_destroy_what_it_hides(
    registry: Registry, transform: SchemaTransform
) -> None:
    steps, seen = whole(transform)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[ImageDocument(id_="i", image=RAW, metadata={"kind": "x"})])
    steps.docstore.set_document_hash("i", "stale:abc:i")
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert (result.released, held(transform)) == (("i",), 0)
    assert seen.nodes[0].resolve_image().read() == RAW


async def test_images_that_the_docstore_does_not_keep_are_missing_rather_than_embedded_empty(
    registry: Registry, transform: SchemaTransform
) -> None:
    steps, seen = whole(transform)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    given = ImageDocument(id_="i", image=RAW, text="a picture", metadata={"title": "x"})
    steps.run(documents=[given])
    steps.vector_store.delete_nodes(["i"])
    [result] = await integration.catch_up()
    assert (result.missing, len(seen.nodes)) == (("i",), 1)
    integration.add_index("docs", steps, documents=lambda _: [given])
    [result] = await integration.catch_up()
    assert result.reindexed == ("i",)
    assert seen.nodes[-1].resolve_image().read() == RAW


@pytest.mark.parametrize(
    "given",
    [
        ImageDocument(id_="i", image=RAW, text="a picture", metadata={"title": "x"}),
        Document(id_="i", audio_resource=MediaResource(data=RAW), metadata={"title": "x"}),
    ],
    ids=["image", "audio"],
)
async def test_an_image_or_a_sound_that_a_new_version_refuses_stays_rather_than_be_set_aside_empty(
    registry: Registry, transform: SchemaTransform, given: Document
) -> None:
    steps, seen = whole(transform)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[given])
    elsewhere(registry).register("doc-meta", STRICT)
    [plan] = await integration.plan()
    [result] = await integration.catch_up()
    assert (plan.missing, result.missing, held(transform)) == (("i",), ("i",), 0)
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert (result.in_place, len(seen.nodes)) == (("i",), 1)


@pytest.mark.parametrize("strategy", list(DocstoreStrategy))
async def test_an_erased_document_does_not_come_back_from_the_quarantine(
    registry: Registry, transform: SchemaTransform, strategy: DocstoreStrategy
) -> None:
    store = SimpleVectorStore()
    steps: Any = pipeline(transform, store, docstore_strategy=strategy)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[document(name, kind=name) for name in ("forgotten", "deleted", "kept")])
    assert await integration.forget(["forgotten", "nobody"]) == 1
    steps.docstore.delete_document("deleted")
    assert held(transform) == 2
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert (result.released, result.unknown) == (("kept",), ("deleted",))
    assert set(store.data.text_id_to_ref_doc_id.values()) == {"kept"}
    [asked] = await integration.release(["deleted"])
    assert (asked.released, asked.unknown, held(transform)) == (("deleted",), (), 0)
    assert set(store.data.text_id_to_ref_doc_id.values()) == {"kept", "deleted"}


async def test_what_is_forgotten_leaves_index_docstore_and_quarantine(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps: Any = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[document("a"), document("b"), document("bad", kind="x")])
    assert await integration.forget(["a", "bad"]) == 2
    assert set(store.data.text_id_to_ref_doc_id.values()) == {"b"}
    assert set(steps.docstore.docs) == {"b"}
    assert held(transform) == 0
    [result] = await integration.catch_up()
    assert not result


async def test_a_refused_document_is_set_aside_though_it_had_been_embedded(
    registry: Registry, transform: SchemaTransform
) -> None:
    steps, _ = whole(transform)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[document("a"), document("b", title="b", year=1)])
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await integration.catch_up()
    assert (result.set_aside, result.in_place) == (("a",), ("b",))
    [again] = await integration.catch_up()
    assert not again
    assert not again.missing


def test_a_node_that_an_older_version_wrote_is_read() -> None:
    given = IndexNode(id_="i", text="t", index_id="z", obj=TextNode(id_="o", text="obj"))
    old = {"__data__": given.to_dict(), "__type__": given.get_type()}
    assert same(read_node(old), given)


async def test_a_record_that_cannot_be_read_stays_and_stops_no_other(
    registry: Registry, transform: SchemaTransform
) -> None:
    steps, _ = whole(transform)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[document("a", kind="a"), document("b", kind="b")])
    assert isinstance(transform.quarantine, Quarantine)
    [part] = transform.quarantine.parts()
    part.write_text(part.read_text().replace('\\"id_\\": \\"b\\"', '\\"id_\\": [7]'))
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert (result.released, held(transform)) == (("a",), 1)
