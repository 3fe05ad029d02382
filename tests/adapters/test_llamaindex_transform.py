"""SchemaTransform: valid documents pass, stamped; the others are set aside, and none is lost."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    MetadataMode,
    TransformComponent,
)
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.storage.docstore.utils import json_to_doc
from llama_index.core.vector_stores import SimpleVectorStore
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.config import RetryOptions, ValidationOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    RegistryUnavailable,
    SchemaNotFound,
    SchemaValidationError,
)
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import FINGERPRINT, ID, SUBJECT, VALID, VERSION
from llm_integrations.llamaindex import SchemaTransform
from tests.support.forked import PROCESSES
from tests.support.rag import RELAXED, STRICT, V1, document, pipeline, quarantine, registry

__all__ = ["quarantine", "registry"]

NOWHERE = "http://127.0.0.1:9"


def bad(name: str = "bad") -> Document:
    return document(name, year="soon")


def ids(nodes: Any) -> list[str]:
    return [node.id_ for node in nodes]


def test_a_valid_document_leaves_with_subject_version_id_and_fingerprint(
    registry: Registry,
) -> None:
    [node] = SchemaTransform(schema="doc-meta", registry=registry)([document("a")])
    schema = registry.get("doc-meta@1")
    assert node.metadata == {
        "title": "a",
        SUBJECT: "doc-meta",
        VERSION: "1",
        ID: schema.id,
        FINGERPRINT: schema.fingerprint,
    }


def test_the_stamp_is_on_a_copy_so_that_the_hash_of_what_came_in_stays(registry: Registry) -> None:
    given = document("a")
    before = given.hash
    [node] = SchemaTransform(schema="doc-meta", registry=registry)([given])
    assert node is not given
    assert given.metadata == {"title": "a"}
    assert given.hash == before


def test_neither_embeddings_nor_llms_see_the_stamp(registry: Registry) -> None:
    [node] = SchemaTransform(schema="doc-meta", registry=registry)([document("a")])
    for mode in (MetadataMode.EMBED, MetadataMode.LLM):
        assert node.get_content(mode) == document("a").get_content(mode)


def test_chunks_and_what_is_embedded_are_the_same_as_without(registry: Registry) -> None:
    splitter = SentenceSplitter(chunk_size=40, chunk_overlap=0)
    plain = splitter([document("a")])
    held = splitter(SchemaTransform(schema="doc-meta", registry=registry)([document("a")]))
    contents = [[n.get_content(MetadataMode.EMBED) for n in nodes] for nodes in (plain, held)]
    assert contents[0] == contents[1]
    assert len(plain) > 1
    assert all(node.metadata[FINGERPRINT] for node in held)


def test_a_stamped_node_is_judged_by_what_its_author_wrote(registry: Registry) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry)
    once = transform([document("a")])
    twice = transform(once)
    assert twice[0].metadata == once[0].metadata
    assert twice[0].excluded_embed_metadata_keys == once[0].excluded_embed_metadata_keys


def test_the_text_is_judged_too_if_asked_for(registry: Registry, quarantine: Quarantine) -> None:
    body = {"type": "object", "properties": {"text": {"minLength": 5}}, "required": ["text"]}
    registry.register("with-text", body)
    transform = SchemaTransform(
        schema="with-text", registry=registry, text_field="text", quarantine=quarantine
    )
    kept = transform([document("long", "long enough"), document("short", "no")])
    assert ids(kept) == ["long"]
    assert "text" not in kept[0].metadata


def test_an_invalid_document_is_set_aside_whole_and_with_the_reason(
    registry: Registry, quarantine: Quarantine
) -> None:
    transform = SchemaTransform(
        schema="doc-meta", registry=registry, quarantine=quarantine, source="handbook"
    )
    assert ids(transform([document("good"), bad()])) == ["good"]
    [record] = quarantine.records()
    assert (record.position, record.source, record.schema) == ("bad", "handbook", "doc-meta@1")
    assert record.reason == "type at /year"
    kept = record.value["document"]["__data__"]
    assert kept["metadata"] == {"year": "soon"}
    assert "bad says something." in kept["text_resource"]["text"]


def test_setting_aside_again_adds_nothing(registry: Registry, quarantine: Quarantine) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    for _ in range(3):
        transform([bad()])
    assert quarantine.count() == 1


def test_a_date_in_metadata_is_kept_as_json_has_it(
    registry: Registry, quarantine: Quarantine
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    transform([document("dated", when=datetime(2026, 1, 2, tzinfo=UTC))])
    [record] = quarantine.records()
    assert record.value["document"]["__data__"]["metadata"]["when"].startswith("2026-01-02T00")


def test_an_image_and_raw_bytes_come_back_as_they_came(
    registry: Registry, quarantine: Quarantine
) -> None:
    raw = b"\x89PNG\x00\xff"
    given = ImageDocument(id_="image", image=b64encode(raw), metadata={"hash": raw, "year": "soon"})
    SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)([given])
    [record] = quarantine.records()
    again = json_to_doc(record.value["document"])
    assert isinstance(again, ImageDocument)
    assert again.resolve_image().read() == raw
    assert again.metadata == given.metadata
    assert record.judged == given.metadata


@pytest.mark.parametrize("text_field", [None, "text"])
def test_the_command_line_releases_what_is_valid_and_nothing_else(
    registry: Registry, tmp_path: Path, text_field: str | None
) -> None:
    relaxed = {"properties": {"year": {"type": "integer"}, "when": {"format": "date-time"}}}
    with connect(tmp_path / "schemas") as registry:
        registry.register("doc-meta", V1)
        SchemaTransform(
            schema="doc-meta", registry=registry, quarantine=tmp_path / "bad", text_field=text_field
        )([bad(), document("dated", when=datetime(2026, 1, 2, tzinfo=UTC))])
        registry.register("doc-meta", relaxed, compatibility="NONE")
    into = tmp_path / "released.jsonl"
    url = ["--registry", str(tmp_path / "schemas")]
    command = ["quarantine", "release", str(tmp_path / "bad"), "doc-meta@2", "--into", str(into)]
    result = CliRunner().invoke(app, [*command, *url], catch_exceptions=False)
    assert "1 released" in result.output
    assert [
        json.loads(line)["document"]["__data__"]["id_"] for line in into.read_text().splitlines()
    ] == ["dated"]
    assert [record.position for record in Quarantine(tmp_path / "bad").records()] == ["bad"]


def test_without_a_quarantine_an_invalid_document_stops_the_pipeline(registry: Registry) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry)
    with pytest.raises(SchemaValidationError) as caught:
        transform([document("good"), bad()])
    assert not caught.value.report


def test_warn_lets_it_pass_and_says_so_on_the_node(
    registry: Registry, quarantine: Quarantine, caplog: pytest.LogCaptureFixture
) -> None:
    transform = SchemaTransform(
        schema="doc-meta", registry=registry, mode="warn", quarantine=quarantine
    )
    good, wrong = transform([document("good"), bad()])
    assert VALID not in good.metadata
    assert wrong.metadata[VALID] is False
    assert quarantine.count() == 0
    assert "does not satisfy doc-meta@1" in caplog.text


def test_off_does_nothing_at_all(registry: Registry) -> None:
    given = [bad()]
    transform = SchemaTransform(schema="no-such-schema", registry=registry, mode="off")
    assert transform(given)[0] is given[0]


def test_a_wrong_mode_is_told_which_exist(registry: Registry) -> None:
    mode: Any = "strict"
    with pytest.raises(ConfigurationError, match="'enforce', 'warn' or 'off'"):
        SchemaTransform(schema="doc-meta", registry=registry, mode=mode)


def test_a_registry_that_is_down_stops_enforce_and_lets_warn_pass_unstamped() -> None:
    quick = RetryOptions(attempts=1, deadline=0.2)
    with connect(NOWHERE, retry=quick, timeout=0.2) as away:
        with pytest.raises(RegistryUnavailable):
            SchemaTransform(schema="doc-meta", registry=away)([document("a")])
        [node] = SchemaTransform(schema="doc-meta", registry=away, mode="warn")([document("a")])
    assert node.metadata == {"title": "a"}


def test_what_could_not_be_judged_carries_no_stamp(registry: Registry) -> None:
    options = ValidationOptions(regex="bounded")
    hard = {"properties": {"title": {"pattern": "^(?:a(?=a|c)|a)+$"}}}
    with connect("memory://", validation=options) as bounded:
        bounded.register("hard", hard)
        transform = SchemaTransform(schema="hard", registry=bounded, mode="warn")
        [node] = transform([document("a", title="a" * 40 + "c")])
    assert list(node.metadata) == ["title"]


def test_a_schema_that_does_not_exist_is_an_error_in_every_mode(registry: Registry) -> None:
    with pytest.raises(SchemaNotFound):
        SchemaTransform(schema="nobody", registry=registry, mode="warn")([document("a")])


async def test_async_decides_alike_and_off_the_event_loop(
    registry: Registry, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    threads: set[str] = set()
    apply = SchemaTransform._apply

    def spy(self: Any, nodes: Any, in_force: Any) -> list[BaseNode]:
        threads.add(threading.current_thread().name)
        return apply(self, nodes, in_force)

    monkeypatch.setattr(SchemaTransform, "_apply", spy)
    kept = await transform.acall([document("good"), bad()])
    assert kept == transform([document("good"), bad()])
    assert quarantine.count() == 1
    assert len(threads) == 2


async def test_arun_goes_the_same_way(registry: Registry, quarantine: Quarantine) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    nodes = await pipeline(transform, SimpleVectorStore()).arun(documents=[document("a"), bad()])
    assert {node.ref_doc_id for node in nodes} == {"a"}
    assert quarantine.count() == 1


# -- the pipeline's cache ----------


def test_a_new_version_is_no_cache_hit(registry: Registry, quarantine: Quarantine) -> None:
    for cacheable in (False, True):
        transform = SchemaTransform(
            schema="doc-meta", registry=registry, quarantine=quarantine, cacheable=cacheable
        )
        steps = IngestionPipeline(transformations=[transform])
        registry.delete_subject("doc-meta", permanent=True)
        registry.register("doc-meta", V1, compatibility="NONE")
        assert ids(steps.run(documents=[document("a")])) == ["a"]
        registry.register("doc-meta", STRICT)
        assert steps.run(documents=[document("a")]) == []
        assert (transform.resolved_version, transform.fingerprint) == (
            "2",
            registry.get("doc-meta@2").fingerprint,
        )


def test_documents_of_equal_text_are_not_taken_for_each_other(registry: Registry) -> None:
    steps = IngestionPipeline(
        transformations=[SchemaTransform(schema="doc-meta", registry=registry)]
    )
    first, second = (document(name, "the same", title="the same") for name in ("a", "b"))
    assert ids(steps.run(documents=[first])) == ["a"]
    assert ids(steps.run(documents=[second])) == ["b"]


def test_what_is_set_aside_is_set_aside_on_every_run(
    registry: Registry, quarantine: Quarantine
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    steps = IngestionPipeline(transformations=[transform])
    steps.run(documents=[bad()])
    quarantine.parts()[0].unlink()
    steps.run(documents=[bad()])
    assert quarantine.count() == 1


def test_cacheable_lets_the_cache_answer_while_the_schema_is_the_same(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, cacheable=True)
    steps = IngestionPipeline(transformations=[transform])
    [first] = steps.run(documents=[document("a")])
    monkeypatch.setattr(SchemaTransform, "_apply", lambda *_: pytest.fail("judged again"))
    [again] = steps.run(documents=[document("a")])
    assert again.metadata == first.metadata


def test_what_follows_is_cached_as_ever(registry: Registry) -> None:
    calls: list[int] = []

    class Later(TransformComponent):
        def __call__(self, nodes: Any, **kwargs: Any) -> Any:
            calls.append(len(nodes))
            return nodes

    transform = SchemaTransform(schema="doc-meta", registry=registry)
    steps = IngestionPipeline(transformations=[transform, Later()])
    for _ in range(2):
        steps.run(documents=[document("a")])
    assert calls == [1]


# -- docstore strategies ----------


@pytest.mark.parametrize("strategy", list(DocstoreStrategy))
def test_deduplication_works_under_every_strategy(
    registry: Registry, quarantine: Quarantine, strategy: DocstoreStrategy
) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    store = SimpleVectorStore()
    steps = pipeline(transform, store, docstore_strategy=strategy)
    documents = [document("a"), document("b"), bad()]
    assert {n.ref_doc_id for n in steps.run(documents=documents)} == {"a", "b"}
    before = set(store.data.embedding_dict)
    assert steps.run(documents=documents) == []
    assert set(store.data.embedding_dict) == before


def test_a_dropped_document_is_known_to_the_docstore_and_so_never_tried_again_by_itself(
    registry: Registry, quarantine: Quarantine
) -> None:
    docstore = SimpleDocumentStore()
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    steps = pipeline(transform, SimpleVectorStore(), docstore=docstore)
    steps.run(documents=[bad()])
    registry.register("doc-meta", {"type": "object"})
    assert steps.run(documents=[bad()]) == []  # see RAGPipelineIntegration, which resets the hash
    assert docstore.get_document_hash("bad") == bad().hash


# -- other processes, copies ----------


def test_workers_judge_by_the_version_of_the_parent_and_set_aside_too(
    registry: Registry, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # LlamaIndex spawns; a server that has imported it once gets the same pickles.
    monkeypatch.setattr("multiprocessing.get_context", lambda method: PROCESSES)
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    steps = IngestionPipeline(transformations=[transform], disable_cache=True)
    nodes = steps.run(documents=[document("a"), bad("x"), document("b"), bad("y")], num_workers=2)
    assert ids(nodes) == ["a", "b"]
    assert {node.metadata[VERSION] for node in nodes} == {"1"}
    assert {record.position for record in quarantine.records()} == {"x", "y"}


async def test_workers_of_arun_as_well(registry: Registry, quarantine: Quarantine) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    steps = IngestionPipeline(transformations=[transform])
    nodes = await steps.arun(documents=[document("a"), bad("x")], num_workers=2)
    assert ids(nodes) == ["a"]
    assert quarantine.count() == 1


def test_a_pickle_is_pinned_and_holds_neither_registry_nor_credentials(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(tmp_path / "a-private-folder") as registry:
        registry.register("doc-meta", V1, compatibility="NONE")
        transform = SchemaTransform(schema="doc-meta", registry=registry, text_field=None)
        pickled = pickle.dumps(transform)
        registry.register("doc-meta", STRICT)
    assert b"a-private-folder" not in pickled
    [node] = pickle.loads(pickled)([document("a")])
    assert node.metadata[VERSION] == "1"
    assert "unpickleable" not in caplog.text
    assert pickle.loads(pickle.dumps(pickle.loads(pickled))).resolved_version == "1"


def test_a_pickle_made_while_nothing_is_to_be_had_lets_pass_as_its_origin_does() -> None:
    with connect(NOWHERE, retry=RetryOptions(attempts=1, deadline=0.2), timeout=0.2) as away:
        transform = SchemaTransform(schema="doc-meta", registry=away, mode="warn")
        copied = pickle.loads(pickle.dumps(transform))
    assert copied([document("a")])[0].metadata == {"title": "a"}


def test_a_deep_copy_follows_the_registry(registry: Registry) -> None:
    transform = copy.deepcopy(SchemaTransform(schema="doc-meta", registry=registry))
    registry.register("doc-meta", RELAXED)
    assert transform([bad_but_relaxed()])[0].metadata[VERSION] == "2"


def bad_but_relaxed() -> Document:
    return document("untitled", year=2026)


def test_what_is_serialised_has_no_registry(registry: Registry, quarantine: Quarantine) -> None:
    transform = SchemaTransform(schema="doc-meta", registry=registry, quarantine=quarantine)
    shown = transform.to_dict()
    assert "registry" not in shown
    assert shown["schema_ref"] == "doc-meta@latest"
    again = SchemaTransform.from_dict(shown, registry=registry)
    assert isinstance(again.quarantine, Quarantine)
    assert again.quarantine.folder == quarantine.folder
    assert "memory" not in repr(transform)


def test_the_environments_registry_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLM_INTEGRATIONS_REGISTRY_URL", raising=False)
    with pytest.raises(ConfigurationError):
        SchemaTransform(schema="doc-meta")
    with connect(tmp_path) as registry:
        registry.register("doc-meta", V1)
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path))
    assert len(SchemaTransform(schema="doc-meta")([document("a")])) == 1
