"""Drift of a data frame on a cluster: the workers sketch it, the driver merges and compares."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

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
from llm_integrations.spark.map_in_arrow import check_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["detect_drift", "save_baseline"]


def detect_drift(
    frame: DataFrame, schema: str | SchemaRef, **options: Unpack[DriftOptions]
) -> DriftReport:
    """What changed since the baseline, as ``llm_integrations.datasets.detect_drift`` says it.

    The data is read once, by the workers; what comes to the driver are sketches, some kilobytes to
    a megabyte for each column of a partition. The options are those of DriftOptions.
    """
    return check_data(frame, schema, _sketched, **options)


def save_baseline(
    frame: DataFrame, schema: str | SchemaRef, **options: Unpack[BaselineOptions]
) -> Profile:
    """Profile a data frame, and keep the profile for ``detect_drift``, wherever that runs.

    The options are those of BaselineOptions.
    """
    return keep_baseline(frame, schema, _sketched, **options)


def _sketched(frame: DataFrame, validator: Validator) -> ProfileSketch:
    check_columns(frame.schema)
    found = frame.mapInArrow(_PartitionTask(SketchTask(validator)), f"{SKETCH} binary")
    return merged((row[SKETCH] for row in found.toLocalIterator()), validator)


@dataclass(frozen=True)
class _PartitionTask:
    task: SketchTask

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        yield self.task(batches)
