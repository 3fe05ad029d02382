"""Drift of a data set on a cluster: the workers sketch it, the driver merges and compares."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import pyarrow as pa

from llm_integrations.core.drift import (
    BaselineOptions,
    DriftOptions,
    DriftReport,
    Profile,
    ProfileSketch,
    check_data,
    keep_baseline,
)
from llm_integrations.core.drift.workers import SKETCH, SketchTask, merged
from llm_integrations.core.registry import SchemaRef
from llm_integrations.core.validation import Validator

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["detect_drift", "save_baseline"]


def detect_drift(
    dataset: Dataset, schema: str | SchemaRef, **options: Unpack[DriftOptions]
) -> DriftReport:
    """What changed since the baseline, as ``llm_integrations.datasets.detect_drift`` says it.

    The data is read once, by the workers; what comes to the driver are sketches, some kilobytes to
    a megabyte for each column of a block. The options are those of DriftOptions.
    """
    return check_data(dataset, schema, _sketched, **options)


def save_baseline(
    dataset: Dataset, schema: str | SchemaRef, **options: Unpack[BaselineOptions]
) -> Profile:
    """Profile a data set, and keep the profile for ``detect_drift``, wherever that runs.

    The options are those of BaselineOptions.
    """
    return keep_baseline(dataset, schema, _sketched, **options)


def _sketched(dataset: Dataset, validator: Validator) -> ProfileSketch:
    task = _BlockTask(SketchTask(validator))
    found = dataset.map_batches(task, batch_format="pyarrow", batch_size=None)
    return merged((row[SKETCH] for row in found.iter_rows()), validator)


@dataclass(frozen=True)
class _BlockTask:
    task: SketchTask

    def __call__(self, block: Any) -> Any:
        return pa.Table.from_batches([self.task([block])])
