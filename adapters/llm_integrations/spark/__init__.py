"""Spark: partitions held to their schema by every executor, at the speed of their columns."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("spark", "pyspark", "pyarrow")

from llm_integrations.spark.map_in_arrow import (  # noqa: E402 - the check is first
    SchemaMapInArrow,
    schema_map_in_arrow,
)
from llm_integrations.spark.read_schema import spark_schema  # noqa: E402
from llm_integrations.spark.result import SparkResult  # noqa: E402

__all__ = ["SchemaMapInArrow", "SparkResult", "schema_map_in_arrow", "spark_schema"]
