"""Type-checked, never run: inspect_ai as a user writes it."""

from __future__ import annotations

from typing import assert_type

from inspect_ai import Task
from inspect_ai.scorer import Scorer

from llm_integrations.core.registry import Registry
from llm_integrations.inspect_ai import (
    BenchmarkPins,
    LogCheck,
    SchemaHooks,
    ValidatedDataset,
    check_log,
    pinned,
    schema_scorer,
    validated_dataset,
)


def task(registry: Registry) -> Task:
    dataset = validated_dataset(
        "cases.jsonl", "qa-case@2", registry=registry, on_invalid="set_aside", quarantine="bad/"
    )
    assert_type(dataset, ValidatedDataset)
    scorer = schema_scorer("qa-result@1", registry=registry)
    assert_type(scorer, Scorer)
    pins = BenchmarkPins("benchmarks.lock", registry)
    return Task(dataset=dataset, scorer=scorer, **pinned("qa", pins=pins, case="qa-case@2"))


def watch(registry: Registry) -> None:
    assert_type(SchemaHooks.enable(registry, quarantine="bad/"), type[SchemaHooks])
    check = check_log("logs/run.eval", registry="schemas/", pins="benchmarks.lock")
    assert_type(check, LogCheck)
    assert_type(check.problems, list[str])
