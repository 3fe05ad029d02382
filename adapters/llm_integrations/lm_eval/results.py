"""Judging samples and metrics in the shape that is stored, before they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.lm_eval.form import file_name, stored_metrics, stored_sample
from llm_integrations.lm_eval.schemas import TaskSchemas

__all__ = ["judge_metrics", "judge_samples"]


def judge_samples(
    samples: Iterable[Mapping[str, Any]], schemas: TaskSchemas, quarantine: Quarantine | None
) -> None:
    """Judge each logged sample by the result schema. NaN is never valid."""
    if "result" not in schemas.validators:
        return
    name = schemas.summary.task
    condemned = []
    for sample in samples:
        form = stored_sample(sample)
        where = f"sample {sample.get('doc_id')} ({sample.get('filter', 'none')})"
        report = schemas.judge("result", form, where)
        if report is not None and quarantine is not None:
            condemned.append(QuarantinedRecord.of(form, report, source=name, position=where))
    if quarantine is not None:
        quarantine.add(condemned, part=f"{file_name(name)}-results")


def judge_metrics(metrics: Mapping[str, Any], schemas: TaskSchemas) -> None:
    """Judge the aggregated metrics of a task or a group."""
    schemas.judge("metric", stored_metrics(metrics), "metrics")
