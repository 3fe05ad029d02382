"""A schema changes: just the documents that it affects are reindexed, and none gets lost."""

from __future__ import annotations

import runpy
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.bridge.pydantic import Field
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import ImageDocument, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llm_integrations.core.catalogue import Catalogue
from llm_integrations.core.errors import ConfigurationError, Unsupported
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.notify import Notice
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import VERSION
from llm_integrations.llamaindex import (
    AffectedDocuments,
    RAGPipelineIntegration,
    SchemaTransform,
)
from tests.support.clients import elsewhere
from tests.support.rag import (
    QDRANT_WARNINGS,
    RELAXED,
    STRICT,
    V1,
    CountingEmbedding,
    by_document,
    document,
    fits,
    pipeline,
    qdrant,
    quarantine,
    store,
    transform,
    vectors,
)

__all__ = ["quarantine", "store", "transform"]

pytestmark = QDRANT_WARNINGS


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("doc-meta", V1, compatibility="NONE", metadata={"owner": "team-docs"})
        client.register("other", RELAXED)
        yield client


def bad(name: str = "bad") -> Any:
    """Refused by V1 and STRICT, taken by RELAXED."""
    return document(name, kind="untitled")


def updated(version: int = 2) -> SchemaEvent:
    return SchemaEvent.updated("x", "", "doc-meta", version, version - 1)


def embedded(steps: IngestionPipeline) -> list[str]:
    embedding = steps.transformations[-1]
    assert isinstance(embedding, CountingEmbedding)
    return embedding.texts


async def test_affected_documents_are_reindexed_and_the_others_not_touched(
    registry: Registry, transform: SchemaTransform, quarantine: Quarantine, store: Any
) -> None:
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), fits("b")])
    elsewhere(registry).register("doc-meta", STRICT)
    registry.invalidate("doc-meta")  # what is taken in from now on is judged by it
    steps.run(documents=[fits("new")])
    before, nodes, texts = by_document(store), set(vectors(store)), len(embedded(steps))
    await integration.handle_schema_event(updated())
    after = by_document(store)
    assert {name: versions for name, (_, versions) in after.items()} == {
        name: {"2"} for name in ("a", "b", "new")
    }
    assert {name: count for name, (count, _) in after.items()} == {
        name: count for name, (count, _) in before.items()
    }
    assert set(vectors(store)) == nodes
    assert embedded(steps)[texts:] == []  # no text changed: stamps were written, and nothing else
    assert quarantine.count() == 0


async def test_a_document_that_the_new_version_refuses_leaves_the_index_for_the_quarantine(
    registry: Registry, transform: SchemaTransform, quarantine: Quarantine, store: Any
) -> None:
    notices: list[Notice] = []
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry, notifier=notices.append)
    integration.add_index("docs", steps, owner="team-rag")
    steps.run(documents=[fits("a"), document("b")])
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    assert set(by_document(store)) == {"a"}
    [record] = quarantine.records()
    assert record.position == "b"
    [notice] = notices
    assert notice.owner == "team-rag"
    assert notice.affected == ("docs: 1 reindexed, 1 set aside (doc-meta@2)",)


async def test_what_was_set_aside_comes_back_when_the_schema_relaxes(
    registry: Registry, transform: SchemaTransform, quarantine: Quarantine, store: Any
) -> None:
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[bad("x"), bad("y"), document("z", year="never valid")])
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert set(result.released) == {"x", "y"}
    assert set(by_document(store)) == {"x", "y"}
    assert [record.position for record in quarantine.records()] == ["z"]
    assert steps.run(documents=[bad("x")]) == []  # known again, so that it is not indexed twice


async def test_an_image_that_comes_back_is_the_same_image(
    registry: Registry, transform: SchemaTransform, quarantine: Quarantine
) -> None:
    raw = b"\x89PNG\x00\xff"
    seen: list[bytes] = []

    class Reader(TransformComponent):
        def __call__(self, nodes: Any, **kwargs: Any) -> Any:
            seen.extend(node.resolve_image().read() for node in nodes)
            return nodes

    steps = pipeline(transform, SimpleVectorStore())
    steps.transformations = [transform, Reader(), CountingEmbedding()]
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[ImageDocument(id_="i", image=b64encode(raw), metadata={"kind": "x"})])
    assert (seen, quarantine.count()) == ([], 1)
    elsewhere(registry).register("doc-meta", RELAXED, compatibility="NONE")
    [result] = await integration.catch_up()
    assert result.released == ("i",)
    assert (seen, quarantine.count()) == ([raw], 0)


async def test_a_text_that_was_replaced_since_does_not_come_back(
    registry: Registry, transform: SchemaTransform, quarantine: Quarantine, store: Any
) -> None:
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), document("x", "the old text", kind="untitled")])
    steps.run(documents=[document("x", "the new text", title="x")])
    elsewhere(registry).register("doc-meta", RELAXED)
    await integration.handle_schema_event(updated())
    assert by_document(store)["x"] == (1, {"2"})
    assert any("the new text" in text for text in embedded(steps))
    assert not any("the old text" in text for text in embedded(steps))
    assert quarantine.count() == 0


async def test_handling_an_event_again_changes_nothing(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a")])
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    before = vectors(store)
    await integration.handle_schema_event(updated())
    assert vectors(store) == before


async def test_nodes_that_no_parser_made_are_replaced_too(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = IngestionPipeline(
        transformations=[transform, CountingEmbedding()],
        vector_store=store,
        docstore=SimpleDocumentStore(),
    )
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), document("b")])
    assert set(store.data.text_id_to_ref_doc_id.values()) == {"None"}
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    assert {i: m[VERSION] for i, m in store.data.metadata_dict.items()} == {"a": "2"}


async def test_a_pipeline_that_deletes_what_it_is_not_given_deletes_nothing_here(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store, docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, batch_size=1)
    steps.run(documents=[fits("a"), fits("b"), fits("c")])
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    assert set(by_document(store)) == {"a", "b", "c"}
    assert steps.docstore_strategy is DocstoreStrategy.UPSERTS_AND_DELETE


async def test_documents_of_the_pipeline_itself_are_not_run_along(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store, documents=[fits("a")])
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run()
    steps.documents = [fits("later")]
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    assert set(by_document(store)) == {"a"}


async def test_documents_of_equal_text_each_keep_their_own_vectors(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, batch_size=1)
    same = [document(name, "one text", title="t", year=1) for name in ("a", "b")]
    steps.run(documents=same)
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    assert by_document(store) == {"a": (1, {"2"}), "b": (1, {"2"})}


async def test_a_pinned_index_is_left_alone_by_later_versions(
    registry: Registry, quarantine: Quarantine
) -> None:
    store = SimpleVectorStore()
    pinned = SchemaTransform(schema="doc-meta@1", registry=registry, quarantine=quarantine)
    steps = pipeline(pinned, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[document("a")])
    before = vectors(store)
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    assert vectors(store) == before


async def test_another_subject_and_a_refused_schema_touch_nothing(
    registry: Registry, transform: SchemaTransform
) -> None:
    steps = pipeline(transform, SimpleVectorStore())
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a")])
    before = len(embedded(steps))
    await integration.handle_schema_event(SchemaEvent.updated("x", "", "other", 2))
    elsewhere(registry).register("doc-meta", STRICT)
    refused = SchemaEvent.compatibility_violated(None, "", "doc-meta", 2, ["no"])
    await integration.handle_schema_event(refused)
    assert len(embedded(steps)) == before


async def test_deprecation_only_flags(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    notices: list[Notice] = []
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry, notifier=notices.append)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), fits("b")])
    before = vectors(store)
    registry.deprecate("doc-meta@1")
    event = SchemaEvent.deprecated("x", "", "doc-meta", 1, metadata={"owner": "team-docs"})
    await integration.handle_schema_event(event)
    assert vectors(store) == before
    [notice] = notices
    assert (notice.owner, notice.affected) == (
        "team-docs",
        ("docs: 2 documents deprecated (doc-meta@1)",),
    )
    [usage] = integration.catalogue.using("doc-meta", "index")
    assert usage.metadata == {"1": "deprecated"}


async def test_a_deletion_goes_back_to_the_version_before_or_flags(
    registry: Registry, transform: SchemaTransform
) -> None:
    notices: list[Notice] = []
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry, notifier=notices.append)
    integration.add_index("docs", steps)
    elsewhere(registry).register("doc-meta", STRICT)
    steps.run(documents=[fits("a")])
    registry.delete("doc-meta@2")
    await integration.handle_schema_event(SchemaEvent.deleted("x", "", "doc-meta", 2))
    assert {version for _, version in vectors(store).values()} == {"1"}
    registry.delete_subject("doc-meta")
    await integration.handle_schema_event(SchemaEvent.deleted("x", "", "doc-meta", 1))
    assert notices[-1].affected == ("docs: 1 document gone (doc-meta@1)",)
    assert notices[-1].breaking
    assert set(by_document(store)) == {"a"}


async def test_a_callback_decides_when(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    asked: list[AffectedDocuments] = []
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry, on_affected=asked.append)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), fits("b")])
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    assert {version for _, version in vectors(store).values()} == {"1"}
    [affected] = asked
    assert set(affected.document_ids) == {"a", "b"}
    assert str(affected) == "docs: 2 documents stale (doc-meta@2)"
    result = await integration.reindex(affected)
    assert set(result.reindexed) == {"a", "b"}
    assert {version for _, version in vectors(store).values()} == {"2"}


async def test_a_callback_may_be_async_and_hears_of_what_waits_in_quarantine(
    registry: Registry, transform: SchemaTransform
) -> None:
    asked: list[AffectedDocuments] = []

    async def later(affected: AffectedDocuments) -> None:
        asked.append(affected)

    steps = pipeline(transform, SimpleVectorStore())
    integration = RAGPipelineIntegration(registry, on_affected=later)
    integration.add_index("docs", steps)
    steps.run(documents=[bad()])
    elsewhere(registry).register("doc-meta", RELAXED)
    await integration.handle_schema_event(updated())
    assert (await integration.reindex(asked[0])).released == ("bad",)


async def test_a_client_with_an_old_copy_in_its_cache_reindexes_by_the_new_version(
    tmp_path: Path, quarantine: Quarantine
) -> None:
    store = SimpleVectorStore()
    with connect(tmp_path / "s") as ours, connect(tmp_path / "s") as theirs:
        theirs.register("doc-meta", V1, compatibility="NONE")
        held = SchemaTransform(schema="doc-meta", registry=ours, quarantine=quarantine)
        steps = pipeline(held, store)
        integration = RAGPipelineIntegration(ours)
        integration.add_index("docs", steps)
        steps.run(documents=[fits("a")])
        theirs.register("doc-meta", STRICT)
        await integration.handle_schema_event(updated())
    assert {version for _, version in vectors(store).values()} == {"2"}


async def test_documents_are_loaded_anew_where_a_loader_is_given(
    registry: Registry, transform: SchemaTransform
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    fresh = document("a", "a text of today", title="a", year=1)
    integration.add_index("docs", steps, documents=lambda ids: [fresh, fits("unasked")])
    steps.run(documents=[fits("a"), fits("gone at the source")])
    elsewhere(registry).register("doc-meta", STRICT)
    [result] = await integration.catch_up()
    assert (result.reindexed, result.missing) == (("a",), ("gone at the source",))
    assert "a text of today" in embedded(steps)[-1]
    assert by_document(store)["gone at the source"][1] == {"1"}


async def test_texts_that_nobody_kept_stay_in_the_index_and_are_reported(
    registry: Registry, transform: SchemaTransform, caplog: pytest.LogCaptureFixture
) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a")], store_doc_text=False)
    elsewhere(registry).register("doc-meta", STRICT)
    before = vectors(store)
    [result] = await integration.catch_up()
    assert result.missing == ("a",)
    assert vectors(store) == before
    assert "not kept in the docstore" in caplog.text


async def test_a_store_that_lists_a_part_at_a_time_is_asked_until_nothing_is_left(
    registry: Registry, transform: SchemaTransform, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = qdrant()
    listing = type(store).get_nodes
    monkeypatch.setattr(
        type(store), "get_nodes", lambda self, **asked: listing(self, limit=3, **asked)
    )
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits(str(number)) for number in range(6)])
    elsewhere(registry).register("doc-meta", STRICT)
    await integration.handle_schema_event(updated())
    monkeypatch.undo()
    assert {version for _, version in vectors(store).values()} == {"2"}
    assert len(by_document(store)) == 6


async def test_documents_that_the_docstore_knows_and_the_store_lacks_come_back(
    registry: Registry, transform: SchemaTransform, store: Any
) -> None:
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a"), fits("b"), bad()])
    whole = by_document(store)
    store.delete("a")
    [result] = await integration.catch_up()
    assert result.reindexed == ("a",)
    assert by_document(store) == whole
    [again] = await integration.catch_up()
    assert not again


async def test_progress_is_shown_if_asked_for(
    registry: Registry, transform: SchemaTransform, capsys: pytest.CaptureFixture[str]
) -> None:
    for progress in (False, True):
        steps = pipeline(transform, SimpleVectorStore())
        integration = RAGPipelineIntegration(registry, progress=progress)
        integration.add_index("docs", steps)
        steps.run(documents=[fits("a")])
        elsewhere(registry).register("doc-meta", {**STRICT, "title": str(progress)})
        await integration.catch_up()
        assert ("reindexing docs: 100%" in capsys.readouterr().err) is progress


def test_the_same_without_an_event_loop(registry: Registry, transform: SchemaTransform) -> None:
    store = SimpleVectorStore()
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    steps.run(documents=[fits("a")])
    elsewhere(registry).register("doc-meta", STRICT)
    integration.sync.handle_schema_event(updated())
    assert {version for _, version in vectors(store).values()} == {"2"}
    assert integration.sync.health_check()


async def test_an_index_of_another_process_is_known_from_the_catalogue_and_its_owner_told(
    registry: Registry, transform: SchemaTransform, tmp_path: Path
) -> None:
    path = tmp_path / "catalogue.db"
    steps = pipeline(transform, SimpleVectorStore())
    RAGPipelineIntegration(registry, catalogue=path).add_index("docs", steps, owner="team-rag")
    notices: list[Notice] = []
    with Catalogue(path) as catalogue:
        elsewhere = RAGPipelineIntegration(registry, catalogue=catalogue, notifier=notices.append)
        await elsewhere.handle_schema_event(updated())
    assert [(n.owner, n.affected) for n in notices] == [
        ("team-rag", ("docs uses doc-meta@latest",))
    ]


@pytest.mark.parametrize(
    ("missing", "hint"),
    [("docstore", "a docstore"), ("store", "vector store"), ("transform", "no SchemaTransform")],
)
def test_a_pipeline_that_lacks_something_is_told_what(
    registry: Registry, transform: SchemaTransform, missing: str, hint: str
) -> None:
    steps = pipeline(transform, SimpleVectorStore())
    if missing == "docstore":
        steps.docstore = None
    elif missing == "store":
        steps.vector_store = None
    else:
        steps.transformations = steps.transformations[1:]
    with pytest.raises(ConfigurationError, match=hint):
        RAGPipelineIntegration(registry).add_index("docs", steps)


def test_an_index_that_could_lose_documents_is_not_taken(registry: Registry) -> None:
    steps = pipeline(SchemaTransform(schema="doc-meta", registry=registry), SimpleVectorStore())
    with pytest.raises(ConfigurationError, match="quarantine"):
        RAGPipelineIntegration(registry).add_index("docs", steps)


class Mute(BasePydanticVectorStore):
    stores_text: bool = True
    nodes: list[Any] = Field(default_factory=list)

    @property
    def client(self) -> Any:
        return None

    def add(self, nodes: Any, **_: Any) -> list[str]:
        self.nodes = [*self.nodes, *nodes]
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **_: Any) -> None: ...

    def query(self, query: Any, **_: Any) -> Any: ...


class ByIdAlone(Mute):
    def get_nodes(self, node_ids: Any = None) -> Any:  # type: ignore[override]  # as some are
        return []


class Refusing(Mute):
    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> Any:
        raise NotImplementedError


class WithoutFilters(Mute):
    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> Any:
        raise ValueError("filters are not supported")


class EqualOnly(Mute):
    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> Any:
        if any(wanted.operator != "==" for wanted in filters.filters):
            raise ValueError("!= is not supported")
        equal = {wanted.key: wanted.value for wanted in filters.filters}
        return [node for node in self.nodes if node.metadata.items() >= equal.items()]


class Away(Mute):
    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> Any:
        raise ConnectionError("no server yet")


@pytest.mark.parametrize("kind", [Mute, ByIdAlone, Refusing, WithoutFilters])
def test_a_store_that_cannot_be_asked_says_which_can_before_anything_depends_on_it(
    registry: Registry, transform: SchemaTransform, kind: type[Mute]
) -> None:
    told = rf"{kind.__name__} cannot .* Qdrant and SimpleVectorStore can"
    with pytest.raises(Unsupported, match=told):
        RAGPipelineIntegration(registry).add_index("docs", pipeline(transform, kind()))


async def test_a_store_that_finds_only_what_equals_is_asked_for_that(
    registry: Registry, transform: SchemaTransform
) -> None:
    steps = pipeline(transform, EqualOnly())
    integration = RAGPipelineIntegration(registry)
    index = integration.add_index("docs", steps)
    steps.run(documents=[fits("a")])
    registry.register("doc-meta", STRICT, compatibility="NONE")
    in_force = transform.in_force()
    assert in_force is not None
    assert index.stale("doc-meta", in_force).document_ids == ("a",)


def test_a_store_that_is_away_is_taken(registry: Registry, transform: SchemaTransform) -> None:
    RAGPipelineIntegration(registry).add_index("docs", pipeline(transform, Away()))


def test_the_example_in_the_documentation_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "llamaindex" / "ingest.py"
    runpy.run_path(str(example))["main"](tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "in the index: ['A']",
        "docs: 1 reindexed, 0 set aside, 1 released (doc-meta@2)",
        "in the index: ['A', 'B']",
    ]
