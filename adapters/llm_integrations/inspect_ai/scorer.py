"""Output validity as a score."""

from __future__ import annotations

from typing import Any

from inspect_ai.scorer import (
    CORRECT,
    INCORRECT,
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    accuracy,
    metric,
    scorer,
    stderr,
)
from inspect_ai.solver import TaskState
from llm_integrations.core.judge import Judge
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.inspect_ai.payload import parsed_output

__all__ = ["json_rate", "schema_scorer"]


@metric
def json_rate() -> Metric:
    """The share of outputs that are JSON at all, valid or not."""

    def rate(scores: list[SampleScore]) -> float:
        if not scores:
            return 0.0
        parsed = [bool((score.score.metadata or {}).get("is_json")) for score in scores]
        return sum(parsed) / len(parsed)

    return rate


@scorer(metrics=[accuracy(), stderr(), json_rate()])
def schema_scorer(
    schema: str, *, registry: Registry | str | None = None, parse: bool = True
) -> Scorer:
    """Score an output CORRECT if it satisfies a schema; the reasons are in the metadata.

    Args:
        schema: as ``answer@2``; resolved when a sample is scored.
        registry: a Registry, a URL, or None for the environment's.
        parse: take the completion as JSON text; False judges it as a string.

    Returns:
        A scorer whose ``Score.metadata`` holds ``schema``, ``fingerprint``, ``is_json`` and
        ``errors`` (path, message, keyword; no data values).
    """
    ref = SchemaRef.parse(schema)
    client = resolve_registry(registry)
    judge = Judge(client, module="inspect_ai", side="output")

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - a Scorer's signature
        completion = state.output.completion
        value, is_json = parsed_output(completion) if parse else (completion, True)
        validator = await client.aio.validator(ref)
        report = judge.judge_by(validator, value).report
        errors: list[dict[str, Any]] = [] if report is None else report.to_dict()["errors"]
        return Score(
            value=CORRECT if report is None else INCORRECT,
            answer=completion,
            explanation=None if report is None else str(report),
            metadata={
                "schema": validator.reference,
                "fingerprint": validator.fingerprint,
                "is_json": is_json,
                "errors": errors,
            },
        )

    return score
