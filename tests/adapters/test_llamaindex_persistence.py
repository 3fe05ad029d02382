"""A pipeline in memory is saved whole or not at all, at a pace, and its vectors too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import Document, MediaResource
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from pydantic import AnyUrl

from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform, persist_pipeline
from llm_integrations.llamaindex.upkeep.persistence import Persistence
from tests.support.clients import elsewhere
from tests.support.rag import RELAXED, document, pipeline, quarantine, registry, transform
from tests.support.rag_persist_worker import DOCUMENTS, filled

__all__ = ["quarantine", "registry", "transform"]


@pytest.mark.parametrize("without_cache", [False, True])
def test_what_was_saved_is_loaded_by_llamaindex_itself(
    tmp_path: Path, *, without_cache: bool
) -> None:
    given = filled()
    given.disable_cache = without_cache
    persist_pipeline(given, tmp_path / "storage")
    again = filled()
    again.docstore = None
    again.load(str(tmp_path / "storage"))
    assert again.docstore is not None
    assert len(again.docstore.docs) == DOCUMENTS
    assert {path.name for path in (tmp_path / "storage").iterdir()} == {
        "docstore.json",
        "llama_cache",
        "default__vector_store.json",
    }
    assert all(path.stat().st_mode & 0o77 == 0 for path in (tmp_path / "storage").iterdir())


async def test_a_docstore_that_is_loaded_after_the_index_was_added_is_the_one_in_use(
    registry: Registry, transform: SchemaTransform, tmp_path: Path
) -> None:
    store = SimpleVectorStore()
    before = pipeline(transform, store)
    before.run(documents=[document("a"), document("b", year="soon")])
    persist_pipeline(before, tmp_path / "storage")
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, persist=tmp_path / "storage")
    steps.load(str(tmp_path / "storage"))
    elsewhere(registry).register("doc-meta", {"type": "object"}, compatibility="NONE")
    [result] = await integration.catch_up()
    assert (result.in_place, result.released, result.missing) == (("a",), ("b",), ())
    [audit] = await integration.audit()
    assert audit.is_sound


def test_saves_come_at_a_pace_and_the_last_one_at_the_end() -> None:
    now, saves = [0.0], []
    saving = Persistence(lambda: saves.append(now[0]), every=30.0, clock=lambda: now[0])
    for _ in range(100):
        now[0] += 1
        saving.changed()
    saving.flush()
    saving.flush()
    assert saves == [30, 60, 90, 100]


async def test_a_reindexing_saves_once_however_many_batches_it_has(
    registry: Registry, transform: SchemaTransform
) -> None:
    saves: list[int] = []
    steps = pipeline(transform, SimpleVectorStore())
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, persist=lambda: saves.append(1), batch_size=1)
    steps.run(documents=[document(str(number)) for number in range(8)])
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert (len(result.reindexed), len(saves)) == (8, 1)


async def test_a_store_in_memory_that_was_not_saved_is_filled_again_from_the_docstore(
    registry: Registry, transform: SchemaTransform, tmp_path: Path
) -> None:
    steps = pipeline(transform, SimpleVectorStore())
    RAGPipelineIntegration(registry).add_index("docs", steps)
    steps.run(documents=[document("a"), document("b"), document("bad", kind="x")])
    steps.persist(str(tmp_path / "storage"))  # the vectors are not in it
    store: Any = SimpleVectorStore()
    steps = pipeline(transform, store)
    steps.load(str(tmp_path / "storage"))
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps)
    [result] = await integration.catch_up()
    assert result.reindexed == ("a", "b")
    assert set(store.data.text_id_to_ref_doc_id.values()) == {"a", "b"}


async def test_what_is_released_is_saved_before_it_leaves_the_quarantine(
    registry: Registry, transform: SchemaTransform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "storage"
    steps = pipeline(transform, SimpleVectorStore())
    integration = RAGPipelineIntegration(registry)
    integration.add_index("docs", steps, persist=folder)
    steps.run(documents=[document("bad", kind="x")])
    seen: list[set[str]] = []
    forget = Quarantine.forget

    def watching(self: Quarantine, ids: Any) -> int:
        stored = json.loads((folder / "default__vector_store.json").read_text())
        seen.append(set(stored["text_id_to_ref_doc_id"].values()))
        return forget(self, ids)

    monkeypatch.setattr(Quarantine, "forget", watching)
    elsewhere(registry).register("doc-meta", RELAXED)
    [result] = await integration.catch_up()
    assert (result.released, seen) == (("bad",), [{"bad"}])


def test_a_sound_at_a_url_is_saved_as_its_text(tmp_path: Path) -> None:
    sound = Document(id_="a", text="x", audio_resource=MediaResource(url=AnyUrl("http://h/a")))
    docstore = SimpleDocumentStore()
    docstore.add_documents([sound])
    persist_pipeline(IngestionPipeline(docstore=docstore, transformations=[]), tmp_path)
    kept = SimpleDocumentStore.from_persist_dir(str(tmp_path)).get_document("a")
    assert kept is not None
    assert kept.get_content() == "x"
