"""Spark: partitions held to their schema by every executor, at the speed of their columns."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.extras import require_extra

require_extra("spark", "pyspark", "pyarrow")

from llm_integrations.spark.map_in_arrow import (  # noqa: E402 - the check is first
    SchemaMapInArrow,
    schema_map_in_arrow,
)
from llm_integrations.spark.read_schema import spark_schema  # noqa: E402
from llm_integrations.spark.result import SparkResult  # noqa: E402

if TYPE_CHECKING:
    from llm_integrations.spark.drift import detect_drift, save_baseline

__all__ = [
    "SchemaMapInArrow",
    "SparkResult",
    "detect_drift",
    "save_baseline",
    "schema_map_in_arrow",
    "spark_schema",
]

# Workers that only validate need no drift.
_ON_DEMAND: Final = ("detect_drift", "save_baseline")


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        return getattr(import_module(f"{__name__}.drift"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
