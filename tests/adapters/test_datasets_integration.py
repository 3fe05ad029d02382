"""A new version: data sets listed, drift looked for, quarantined rows released."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from llm_integrations.core.catalogue import Catalogue, Usage
from llm_integrations.core.drift import DriftThresholds
from llm_integrations.core.events import EventListener, InMemoryEventBus, SchemaEvent
from llm_integrations.core.quarantine import Quarantine, ReleaseResult
from llm_integrations.core.registry import Registry, connect
from llm_integrations.datasets import (
    AffectedDataset,
    TrainingPipelineIntegration,
    save_baseline,
    validate_dataset,
)
from tests.support.clients import elsewhere
from tests.support.patience import eventually

ROW: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0}, "text": {"type": "string"}},
}
RELAXED = {**ROW, "properties": {"n": {"type": "integer", "minimum": -2}}}
ROWS = [*range(100), -1, -2, -3]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with connect(tmp_path / "schemas") as client:
        client.register("row", ROW, compatibility="NONE")
        yield client


@pytest.fixture
def data(registry: Registry, tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"n": ROWS}), path)
    validate_dataset(
        path, "row@1", registry=registry, quarantine=tmp_path / "bad", output=tmp_path / "valid"
    )
    assert Quarantine(tmp_path / "bad").count() == 3
    save_baseline(path, "row@1", registry=registry)
    return path


class Told:
    def __init__(self) -> None:
        self.calls: list[tuple[SchemaEvent, Sequence[AffectedDataset]]] = []

    async def __call__(self, event: SchemaEvent, affected: Sequence[AffectedDataset]) -> None:
        self.calls.append((event, affected))


def updated(version: int = 2) -> SchemaEvent:
    return SchemaEvent.updated("id", "", "row", str(version), previous_version="1")


def released(folder: Path) -> list[int]:
    return sorted(record.value["n"] for record in Quarantine(folder).records())


async def test_what_became_valid_is_released_once(
    registry: Registry, data: Path, tmp_path: Path
) -> None:
    told = Told()
    integration = TrainingPipelineIntegration(registry, on_affected=told)
    integration.register_dataset("train", "row@latest", data=data, quarantine=tmp_path / "bad")
    elsewhere(registry).register("row", RELAXED)
    await integration.handle_schema_event(updated())
    [(_, [affected])] = told.calls
    assert affected.in_force
    assert affected.released == ReleaseResult(2, 1)
    assert affected.drift is not None
    assert not affected.drift.drifted
    assert affected.drift.current.schema == "row@2"
    assert released(tmp_path / "bad" / "released") == [-2, -1]
    assert released(tmp_path / "bad") == [-3]
    await integration.handle_schema_event(updated())
    assert released(tmp_path / "bad" / "released") == [-2, -1]
    assert told.calls[1][1][0].released == ReleaseResult(0, 1)


async def test_a_late_event_releases_nothing_that_a_newer_version_refuses(
    registry: Registry, data: Path, tmp_path: Path
) -> None:
    integration = TrainingPipelineIntegration(registry)
    integration.register_dataset("train", "row@latest", quarantine=tmp_path / "bad")
    elsewhere(registry).register("row", RELAXED)
    elsewhere(registry).register("row", {**ROW, "title": "strict again"})
    await integration.handle_schema_event(updated(2))
    assert released(tmp_path / "bad") == [-3, -2, -1]


async def test_a_pinned_data_set_is_listed_and_left_alone(
    registry: Registry, data: Path, tmp_path: Path
) -> None:
    told = Told()
    integration = TrainingPipelineIntegration(registry, on_affected=told)
    integration.register_dataset("pinned", "row@1", data=data, quarantine=tmp_path / "bad")
    elsewhere(registry).register("row", RELAXED)
    await integration.handle_schema_event(updated())
    [(_, [affected])] = told.calls
    assert (affected.in_force, affected.drift, affected.released) == (False, None, None)
    assert released(tmp_path / "bad") == [-3, -2, -1]


async def test_data_that_drifted_is_reported_and_thresholds_are_ours(
    registry: Registry, data: Path
) -> None:
    moved = pa.table({"n": [n + 90 for n in range(100)]})
    parquet.write_table(moved, data)
    elsewhere(registry).register("row", RELAXED)
    for thresholds, drifted in ((None, True), (DriftThresholds(number=50), False)):
        told = Told()
        integration = TrainingPipelineIntegration(registry, on_affected=told, thresholds=thresholds)
        integration.register_dataset("train", "row@latest", data=data)
        await integration.handle_schema_event(updated())
        report = told.calls[0][1][0].drift
        assert report is not None
        assert report.drifted is drifted


async def test_a_check_that_cannot_be_made_is_said_and_holds_nothing_up(
    registry: Registry, data: Path, tmp_path: Path
) -> None:
    told = Told()

    def load(usage: Usage) -> Any:
        return tmp_path / "gone.parquet" if usage.name == "gone" else None

    integration = TrainingPipelineIntegration(registry, on_affected=told, load=load)
    for name in ("gone", "without data"):
        integration.register_dataset(name, "row@latest")
    elsewhere(registry).register("row", RELAXED)
    await integration.handle_schema_event(updated())
    problems = {one.usage.name: one.problem for one in told.calls[0][1]}
    assert "gone.parquet" in problems["gone"]
    assert problems["without data"] == ""


async def test_other_subjects_and_refused_versions_concern_nobody(registry: Registry) -> None:
    told = Told()
    integration = TrainingPipelineIntegration(registry, on_affected=told)
    integration.register_dataset("train", "other@latest")
    await integration.handle_schema_event(updated())
    integration.register_dataset("train", "row@latest")
    await integration.handle_schema_event(
        SchemaEvent.compatibility_violated(None, "", "row", "2", violations=["no"])
    )
    assert told.calls == []


def test_data_sets_are_known_after_a_restart(registry: Registry, tmp_path: Path) -> None:
    with Catalogue(tmp_path / "catalogue.db") as catalogue:
        first = TrainingPipelineIntegration(registry, catalogue=catalogue)
        first.register_dataset("train", "row@latest", data="rows.parquet", owner="team-data")
    again = TrainingPipelineIntegration(registry, catalogue=tmp_path / "catalogue.db")
    [usage] = again.datasets_using("row")
    assert (usage.name, usage.owner, usage.metadata["data"]) == (
        "train",
        "team-data",
        "rows.parquet",
    )
    assert again.name == "datasets"
    assert again.sync.health_check()
    again.catalogue.close()


async def test_rows_are_judged_again_with_null_taken_as_before(
    registry: Registry, tmp_path: Path
) -> None:
    """In JSON lines null is null: a new version that still wants text releases no null."""
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"n": 1, "text": null}\n{"n": -1}\n')
    validate_dataset(
        lines, "row@1", registry=registry, quarantine=tmp_path / "bad", output=tmp_path / "valid"
    )
    integration = TrainingPipelineIntegration(registry)
    integration.register_dataset(
        "train", "row@latest", data=lines, quarantine=tmp_path / "bad", released=tmp_path / "freed"
    )
    elsewhere(registry).register("row", {**RELAXED, "properties": {**ROW["properties"], "n": {}}})
    await integration.handle_schema_event(updated())
    assert released(tmp_path / "freed") == [-1]
    assert released(tmp_path / "bad") == [1]


async def test_registering_a_version_is_all_it_takes(tmp_path: Path) -> None:
    """From a registration over the bus and the listener to the released rows."""
    bus = InMemoryEventBus()
    with connect(tmp_path / "schemas", bus=bus) as registry:
        registry.register("row", ROW, compatibility="NONE")
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"n": n}) + "\n" for n in ROWS))
        validate_dataset(
            tmp_path / "rows.jsonl",
            "row@1",
            registry=registry,
            quarantine=tmp_path / "bad",
            output=tmp_path / "valid",
        )
        integration = TrainingPipelineIntegration(registry)
        integration.register_dataset("train", "row@latest", quarantine=tmp_path / "bad")
        async with EventListener(registry, [integration], buses=[bus]):
            await registry.aio.register("row", RELAXED)
            await eventually(lambda: released(tmp_path / "bad") == [-3])
        assert released(tmp_path / "bad" / "released") == [-2, -1]
    await bus.close()
