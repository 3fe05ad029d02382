"""Drift of a data set on a cluster: the workers sketch it, the driver merges and compares."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from llm_integrations.core.drift import (
    DriftLimits,
    DriftReport,
    DriftThresholds,
    Profile,
    ProfileSketch,
    check_data,
    keep_baseline,
)
from llm_integrations.core.drift.workers import SKETCH, SketchTask, merged
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.validation import Validator

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["detect_drift", "save_baseline"]


def detect_drift(
    dataset: Dataset,
    schema: str | SchemaRef,
    *,
    baseline: Profile | str | Path | Dataset | Sequence[Any] | None = None,
    registry: Registry | str | None = None,
    thresholds: DriftThresholds | None = None,
    ignore: Collection[str] = (),
    compare: Collection[str] = (),
    show_values: bool = False,
    limits: DriftLimits | Mapping[str, Any] | str | Path | None = None,
) -> DriftReport:
    """What changed since the baseline, as ``llm_integrations.datasets.detect_drift`` says it.

    The data is read once, by the workers; what comes to the driver are sketches, some kilobytes to
    a megabyte for each column of a block.
    """
    return check_data(
        dataset,
        schema,
        _sketched,
        baseline=baseline,
        registry=registry,
        thresholds=thresholds,
        ignore=ignore,
        compare=compare,
        show_values=show_values,
        limits=limits,
    )


def save_baseline(
    dataset: Dataset,
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    path: str | Path | None = None,
    show_values: bool = False,
) -> Profile:
    """Profile a data set, and keep the profile for ``detect_drift``, wherever that runs."""
    return keep_baseline(
        dataset, schema, _sketched, registry=registry, path=path, show_values=show_values
    )


def _sketched(dataset: Dataset, validator: Validator) -> ProfileSketch:
    task = _BlockTask(SketchTask(validator))
    found = dataset.map_batches(task, batch_format="pyarrow", batch_size=None)
    return merged((row[SKETCH] for row in found.iter_rows()), validator)


@dataclass(frozen=True)
class _BlockTask:
    task: SketchTask

    def __call__(self, block: Any) -> Any:
        return pa.Table.from_batches([self.task([block])])
