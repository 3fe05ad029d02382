"""Judging samples and metrics before they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.lm_eval.cases import safe_name
from llm_integrations.lm_eval.schemas import TaskSchemas

__all__ = ["judge_metrics", "judge_samples"]


def judge_samples(
    samples: Iterable[Mapping[str, Any]], schemas: TaskSchemas, quarantine: Quarantine | None
) -> None:
    """Judge each logged sample by the result schema. NaN is never valid."""
    name = schemas.summary.task
    condemned = []
    for sample in samples:
        where = f"sample {sample.get('doc_id')} ({sample.get('filter', 'none')})"
        report = schemas.judge("result", _readable(sample), where)
        if report is not None and quarantine is not None:
            condemned.append(
                QuarantinedRecord.of(dict(sample), report, source=name, position=where)
            )
    if quarantine is not None:
        quarantine.add(condemned, part=f"{safe_name(name)}-results")


def judge_metrics(metrics: Mapping[str, Any], schemas: TaskSchemas) -> None:
    """Judge a task's aggregated metrics, as ``{"acc,none": 0.5, "alias": …}``."""
    schemas.judge("metric", _readable(metrics), "metrics")


def _readable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics with numpy scalars as Python numbers, which the validator takes the fast way."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
