"""Output validity as a score."""

from __future__ import annotations

from collections.abc import Sequence
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
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.inspect_ai.payload import Extract, Payload, checked_extract, output_payload
from llm_integrations.inspect_ai.scorer_guard import refuse_other_than_pinned, watch_tasks

__all__ = ["json_rate", "schema_scorer"]

_BY_EPOCH = "json_by_epoch"


@metric
def json_rate() -> Metric:
    """The share of outputs that are JSON at all, valid or not, over all epochs."""

    def rate(scores: list[SampleScore]) -> float:
        parsed = [is_json for score in scores for is_json in _parsed(score.score.metadata or {})]
        return sum(parsed) / len(parsed) if parsed else 0.0

    return rate


def _parsed(metadata: dict[str, Any]) -> list[bool]:
    """Of each epoch; a score that was reduced from those of several epochs has one's metadata."""
    return list(metadata.get(_BY_EPOCH, {}).values()) or [bool(metadata.get("is_json"))]


@scorer(metrics=[accuracy(), stderr(), json_rate()])
def schema_scorer(
    schema: str,
    *,
    registry: Registry | str | None = None,
    parse: bool = True,
    extract: Extract | Sequence[Extract] | None = None,
) -> Scorer:
    """Score an output CORRECT if it satisfies a schema; the reasons are in the metadata.

    Args:
        schema: as ``answer@2``; resolved now, so that one version judges a whole run.
        registry: a Registry, a URL, or None for the environment's.
        parse: take the completion as JSON text; False judges it as a string.
        extract: what to judge of a completion that is no JSON: the first JSON in ``fences``, the
            arguments of the first of ``tool_calls``, the ``first_json`` that begins anywhere;
            several are tried in turn. It does not count as JSON in ``json_rate``.

    Returns:
        A scorer whose ``Score.metadata`` holds ``schema``, ``fingerprint``, ``is_json``,
        ``extracted`` (how, or None) and ``errors`` (path, message, keyword; no data values).

    Raises:
        ConfigurationError: ``extract`` names a way that there is not.
        RegistryError: there is no schema to judge by.
    """
    client = resolve_registry(registry)
    ways = checked_extract(extract)
    validator = client.validator(schema)
    judge = Judge(client, module="inspect_ai", side="output")
    epochs = _Epochs()
    watch_tasks()

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - a Scorer's signature
        refuse_other_than_pinned(validator)
        completion = state.output.completion
        found = output_payload(state.output, ways) if parse else Payload(completion, is_json=True)
        report = judge.judge_by(validator, found.value).report
        errors: list[dict[str, Any]] = [] if report is None else report.to_dict()["errors"]
        return Score(
            value=CORRECT if report is None else INCORRECT,
            answer=completion,
            explanation=None if report is None else str(report),
            metadata={
                "schema": validator.reference,
                "fingerprint": validator.fingerprint,
                "is_json": found.is_json,
                "extracted": found.extracted,
                "errors": errors,
                _BY_EPOCH: epochs.note(state, is_json=found.is_json),
            },
        )

    return score


class _Epochs:
    """Whether outputs were JSON, by sample and epoch.

    The scores of a sample's epochs share one mapping: reducing them keeps the metadata of one.
    """

    def __init__(self) -> None:
        self._known: dict[Any, dict[str, bool]] = {}

    def note(self, state: TaskState, *, is_json: bool) -> dict[str, bool]:
        sample, epoch = (str(state.model), state.sample_id), str(state.epoch)
        noted = self._known.get(sample)
        if noted is None or epoch in noted:  # another run of the same task
            noted = self._known[sample] = {}
        noted[epoch] = is_json
        return noted
