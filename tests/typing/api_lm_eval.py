"""Type-checked, never run: lm-evaluation-harness as a user writes it."""

from __future__ import annotations

from typing import Any, assert_type

from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.registry import Registry
from llm_integrations.lm_eval import (
    BenchmarkPins,
    EvaluationFrameworkIntegration,
    FileCheck,
    InvalidEvaluation,
    TaskSummary,
    check_results,
    evaluate_with_schemas,
)


def run(model: Any, registry: Registry) -> None:
    pins = BenchmarkPins("benchmarks.lock", registry)
    results = evaluate_with_schemas(
        model,
        ["my-task"],
        registry=registry,
        pins=pins,
        schemas={"case": "qa-case@2"},
        on_invalid="set_aside",
        quarantine="bad/",
        output="results/",
        limit=10,
    )
    assert_type(results, dict[str, Any] | None)
    try:
        check = check_results("results/", registry="schemas/", pins="benchmarks.lock")
    except InvalidEvaluation as error:
        assert_type(str(error), str)
    else:
        assert_type(check, FileCheck)
        assert_type(check.tasks["my-task"], TaskSummary)
        assert_type(check.problems(), list[str])


async def hear(event: SchemaEvent, registry: Registry) -> None:
    integration = EvaluationFrameworkIntegration(registry, pins="benchmarks.lock")
    await integration.handle_schema_event(event)
    for affected in await integration.affected_by(event):
        assert_type(affected.owner, str | None)
