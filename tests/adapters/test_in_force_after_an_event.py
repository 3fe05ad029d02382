"""Another client registers a version: whoever is told of it acts by that version at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.vector_stores import SimpleVectorStore

from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.core.impact import in_force_after
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.quarantine import Quarantine, ReleaseResult
from llm_integrations.core.registry import Registry, SchemaRef, connect
from llm_integrations.core.stamp import VERSION
from llm_integrations.datasets import (
    AffectedDataset,
    TrainingPipelineIntegration,
    save_baseline,
    validate_dataset,
)
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaTransform
from tests.support.clients import Connect, connected, server
from tests.support.confluent_server import ConfluentServer
from tests.support.rag import STRICT, V1, document, pipeline
from tests.support.registry_server import RegistryServer, answering

__all__ = ["connected", "server"]

ROW: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}
RELAXED: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.fixture(params=["folder", "http"])
def clients(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Registry, Registry]]:
    """Ours and theirs, of one registry."""
    if request.param == "folder":
        with connect(tmp_path / "schemas") as ours, connect(tmp_path / "schemas") as theirs:
            yield ours, theirs
        return
    with ConfluentServer() as running, connect(running.url) as ours, connect(running.url) as theirs:
        yield ours, theirs


def updated(subject: str, version: int = 2) -> SchemaEvent:
    return SchemaEvent.updated("x", "", subject, version, version - 1)


def training(registry: Registry, folder: Path) -> tuple[TrainingPipelineIntegration, Any]:
    """A data set with a row in quarantine, and a client that has the schema in its cache."""
    (folder / "rows.jsonl").write_text('{"n": 1}\n{"n": -1}\n')
    validate_dataset(
        folder / "rows.jsonl",
        "row",
        registry=registry,
        quarantine=folder / "bad",
        output=folder / "valid",
    )
    assert Quarantine(folder / "bad").count() == 1
    told: list[AffectedDataset] = []
    integration = TrainingPipelineIntegration(
        registry, on_affected=lambda _, affected: told.extend(affected)
    )
    return integration, told


async def test_quarantined_rows_are_judged_by_the_version_that_another_client_registered(
    clients: tuple[Registry, Registry], tmp_path: Path
) -> None:
    ours, theirs = clients
    theirs.register("row", ROW, compatibility="NONE")
    integration, told = training(ours, tmp_path)
    save_baseline(tmp_path / "rows.jsonl", "row", registry=ours, path=tmp_path / "baseline.json")
    integration.register_dataset(
        "train",
        "row",
        data=tmp_path / "rows.jsonl",
        baseline=tmp_path / "baseline.json",
        quarantine=tmp_path / "bad",
    )
    theirs.register("row", RELAXED)
    await integration.handle_schema_event(updated("row"))
    [affected] = told
    assert affected.released == ReleaseResult(1, 0)
    assert affected.drift is not None
    assert affected.drift.current.schema == "row@2"


async def test_a_version_that_another_client_replaced_meanwhile_releases_nothing(
    clients: tuple[Registry, Registry], tmp_path: Path
) -> None:
    ours, theirs = clients
    theirs.register("row", ROW, compatibility="NONE")
    integration, told = training(ours, tmp_path)
    integration.register_dataset("train", "row", quarantine=tmp_path / "bad")
    theirs.register("row", RELAXED)
    theirs.register("row", {**ROW, "title": "strict again"})
    await integration.handle_schema_event(updated("row"))
    assert told[0].released == ReleaseResult(0, 1)


async def test_a_version_that_is_gone_again_leaves_the_one_before_in_force(
    clients: tuple[Registry, Registry], tmp_path: Path
) -> None:
    ours, theirs = clients
    theirs.register("row", ROW, compatibility="NONE")
    integration, told = training(ours, tmp_path)
    integration.register_dataset("train", "row", quarantine=tmp_path / "bad")
    theirs.register("row", RELAXED)
    theirs.delete("row@2")
    await integration.handle_schema_event(updated("row"))
    assert told[0].released == ReleaseResult(0, 1)
    found = await in_force_after(ours, SchemaRef("row"), updated("row"))
    assert found is not None
    assert found.version == 1


async def test_documents_follow_what_another_client_registers_and_deletes(
    clients: tuple[Registry, Registry], tmp_path: Path
) -> None:
    ours, theirs = clients
    theirs.register("doc-meta", V1, compatibility="NONE")
    store = SimpleVectorStore()
    transform = SchemaTransform(
        schema="doc-meta", registry=ours, quarantine=Quarantine(tmp_path / "aside")
    )
    steps = pipeline(transform, store)
    integration = RAGPipelineIntegration(ours)
    integration.add_index("docs", steps)
    steps.run(documents=[document("a", title="a", year=1)])

    def versions() -> set[str]:
        return {metadata[VERSION] for metadata in store.data.metadata_dict.values()}

    theirs.register("doc-meta", STRICT)
    await integration.handle_schema_event(updated("doc-meta"))
    assert versions() == {"2"}
    theirs.delete("doc-meta@2")
    await integration.handle_schema_event(SchemaEvent.deleted("x", "", "doc-meta", 2))
    assert versions() == {"1"}


async def test_an_event_that_comes_during_an_outage_is_not_handled_by_an_old_copy(
    server: RegistryServer, connected: Connect, tmp_path: Path
) -> None:
    server.add("row", ROW)
    ours = connected()
    integration, told = training(ours, tmp_path)
    integration.register_dataset("train", "row", quarantine=tmp_path / "bad", owner="team")
    server.fault = answering(503, {})
    with pytest.raises(RegistryUnavailable):
        await integration.handle_schema_event(updated("row"))
    assert told == []
    server.fault = None
    server.add("row", RELAXED)
    await integration.handle_schema_event(updated("row"))  # delivered again
    assert told[0].released == ReleaseResult(1, 0)


async def test_what_is_in_force_is_known_without_an_event_and_after_the_last_version(
    clients: tuple[Registry, Registry],
) -> None:
    ours, theirs = clients
    theirs.register("row", ROW, compatibility="NONE")
    assert ours.get("row").version == 1
    theirs.register("row", RELAXED)
    found = await in_force_after(ours, SchemaRef("row"))
    assert found is not None
    assert found.version == 2
    theirs.delete_subject("row")
    assert await in_force_after(ours, SchemaRef("row")) is None
