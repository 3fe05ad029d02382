"""Type-checked, never run: training data as a user writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from llm_integrations.core.drift import Profile
from llm_integrations.core.events import EventListener, SchemaEvent
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.datasets import (
    AffectedDataset,
    DatasetReport,
    DatasetResult,
    DriftReport,
    DriftThresholds,
    FeaturesReport,
    Loss,
    SchemaMap,
    TrainingPipelineIntegration,
    check_features,
    conversion_losses,
    detect_drift,
    features_from_schema,
    infer_schema,
    save_baseline,
    schema_from_features,
    validate_dataset,
)


def validating(dataset: Any, registry: Registry) -> None:
    result = validate_dataset(dataset, "row@1", registry=registry, quarantine="bad/")
    assert_type(result, DatasetResult)
    assert_type(result.report, DatasetReport)
    assert_type(result.quarantine, Quarantine)
    assert_type(result.report.valid + result.report.invalid, int)
    validate_dataset(Path("rows.parquet"), "row@1", registry="schemas/", on_invalid="raise")
    validate_dataset(
        [Path("a.parquet"), "s3://bucket/b.parquet"],
        "row@1",
        unique=["id", ("a", "b")],
        rule={"has text": lambda row: bool(row["text"])},
        max_invalid=0.01,
    )
    assert_type(result.report.to_html(samples=1, show_values=True), str)
    assert_type(result.report.to_markdown(), str)
    dataset.map(SchemaMap("row@1", registry, on_invalid="drop"), batched=True)
    validate_dataset(dataset, "row@1", on_invalid="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no such way


def converting(dataset: Any, body: dict[str, Any]) -> None:
    assert_type(infer_schema(dataset, ranges=True), dict[str, Any])
    assert_type(check_features(dataset, "row@1", registry="schemas/"), FeaturesReport)
    features = features_from_schema(body)
    assert_type(schema_from_features(features), dict[str, Any])
    assert_type(conversion_losses(body), tuple[Loss, ...])


def drifting(dataset: Any, registry: Registry) -> None:
    assert_type(save_baseline(dataset, "row@1", registry=registry), Profile)
    limits = DriftThresholds(number=0.2)
    report = detect_drift(
        dataset, "row@1", registry=registry, baseline="row.json", thresholds=limits, ignore=["id"]
    )
    assert_type(report, DriftReport)
    assert_type(report.drifted, bool)
    assert_type(report.to_html(), str)
    assert_type(report.write("out/"), dict[str, Path])


def told(event: SchemaEvent, affected: object) -> None: ...


async def integrating(registry: Registry, event: SchemaEvent) -> None:
    integration = TrainingPipelineIntegration(registry, catalogue="c.db", on_affected=told)
    integration.register_dataset("train", "row@latest", data="train.parquet", quarantine="bad/")
    async with EventListener(registry, [integration]):
        await integration.handle_schema_event(event)


def reading(one: AffectedDataset) -> None:
    assert_type(one.drift, DriftReport | None)
    assert_type(one.in_force, bool)
