"""Judges the batches of ``DataFrame.mapInArrow``."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llm_integrations.core.arrow import ERRORS, VALID, ArrowPlan, count, plan_for
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.spark.result import SparkResult, tally_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["SchemaMapInArrow", "schema_map_in_arrow"]


def schema_map_in_arrow(
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    options: ValidationOptions | None = None,
    json_columns: Iterable[str] = (),
    valid: str = VALID,
    errors: str = ERRORS,
) -> SchemaMapInArrow:
    """A function for ``mapInArrow`` that adds the verdict on each row as two columns::

        fn = schema_map_in_arrow("training-row@1")
        judged = df.mapInArrow(fn, fn.output_schema(df.schema))

    Or leave the rest to ``fn.judge(df)``. The reference is resolved here, on the driver. What
    travels to the executors is the schema and the options, never a registry.

    Args:
        schema: as ``training-row@1``.
        registry: a Registry, a URL, or None for the environment's.
        options: how to judge; None means the registry's options, with null in an optional property
            taken as a missing one.
        json_columns: columns of JSON text that stand for what the text says.
        valid: the name of the first column: boolean.
        errors: the name of the second: JSON text, null for valid rows.

    Raises:
        RegistryError: there is no schema to judge by.
    """
    # Spark runs a Python worker for each core; more threads in each would only stand in line.
    plan = plan_for(
        schema, registry=registry, options=options, json_columns=json_columns, threads=1
    )
    return SchemaMapInArrow(plan, valid, errors)


class SchemaMapInArrow:
    """See ``schema_map_in_arrow``, which makes it.

    Attributes:
        plan: what judges: a schema and options, no registry.
    """

    def __init__(self, plan: ArrowPlan, valid: str, errors: str) -> None:
        self.plan = plan
        self.valid = valid
        self.errors = errors

    @property
    def reference(self) -> str:
        """The exact version that all executors judge by."""
        return self.plan.validator.reference

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Each RecordBatch with its verdict."""
        for batch in batches:
            yield self.plan.annotate(batch, valid=self.valid, errors=self.errors)

    def output_schema(self, schema: StructType) -> StructType:
        """What ``mapInArrow`` must be told: the data frame's columns and the two more.

        Raises:
            ConfigurationError: the data frame has such columns already.
        """
        from pyspark.sql.types import BooleanType, StringType, StructField, StructType

        for name in (self.valid, self.errors):
            if name in schema.names:
                raise ConfigurationError(f"the data frame has a column {name!r} already")
        verdict = [StructField(self.valid, BooleanType()), StructField(self.errors, StringType())]
        return StructType([*schema.fields, *verdict])

    def judge(self, frame: DataFrame) -> SparkResult:
        """The valid rows, the invalid ones with their reasons, and the counts.

        Runs the data frame once and persists the result; ``result.unpersist()`` when done.
        """
        judged = frame.mapInArrow(self, self.output_schema(frame.schema)).persist()
        tally = tally_of(judged, self.plan, self.valid, self.errors)
        count(tally, module="spark", subject=self.plan.validator.subject)
        return SparkResult(judged, tally, self.valid, self.errors, self.plan.json_columns)

    def __repr__(self) -> str:
        return f"schema_map_in_arrow({self.reference!r})"
