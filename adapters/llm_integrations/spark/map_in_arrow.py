"""Judges the batches of ``DataFrame.mapInArrow``."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from llm_integrations.core.arrow.driver import COUNTS, Unique, WorkerJudge
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.reprs import never_raises
from llm_integrations.spark.result import SparkResult
from llm_integrations.spark.settings import corrupt_record_column, tells_case_apart

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType, StructType

__all__ = ["SchemaMapInArrow", "check_columns", "schema_map_in_arrow"]


class SchemaMapInArrow(WorkerJudge):
    """A function for ``mapInArrow`` that adds the verdict on each row as two columns::

        fn = schema_map_in_arrow("training-row@1")
        judged = df.mapInArrow(fn, fn.output_schema(df.schema))

    Or leave the rest to ``fn.judge(df)``. The reference is resolved here, on the driver. What
    travels to the executors is the schema and the options, never a registry. The arguments are
    those of ``WorkerJudge``.
    """

    module: ClassVar[str] = "spark"
    corrupt_column = staticmethod(corrupt_record_column)

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Each RecordBatch with its verdict."""
        return map(self.annotate, batches)

    def output_schema(self, schema: StructType) -> StructType:
        """What ``mapInArrow`` must be told: the data frame's columns and the two more.

        Raises:
            ConfigurationError: the data frame has such columns already, or some that mapInArrow
                does not take: two of one name, one with a dot in its name, intervals of months;
                or the JSON Schema names one that is a variant.
        """
        from pyspark.sql.types import BooleanType, StringType, StructField, StructType

        check_columns(schema)
        self._check_variants(schema)
        _check_names([self.valid, self.errors])
        # Spark does not tell names apart by their case.
        known = {name.lower(): name for name in schema.names}
        for name in (self.valid, self.errors):
            if name.lower() in known:
                found = known[name.lower()]
                raise ConfigurationError(f"the data frame has a column {found!r} already")
        verdict = [StructField(self.valid, BooleanType()), StructField(self.errors, StringType())]
        return StructType([*schema.fields, *verdict])

    def _check_variants(self, schema: StructType) -> None:
        """Workers get variants as bytes, which are nothing that a schema describes."""
        body = self.plan.validator.body
        declared = body.get("properties", {}) if isinstance(body, dict) else {}
        for field in schema.fields:
            if field.dataType.typeName() == "variant" and field.name in declared:
                raise ConfigurationError(
                    f"the column {field.name!r} is a variant, which workers get as bytes: make it "
                    "text with to_json, and name it in json_columns="
                )

    def judge(
        self,
        frame: DataFrame,
        *,
        unique: Unique | None = None,
        max_invalid: float | None = None,
    ) -> SparkResult:
        """The valid rows, the invalid ones with their reasons, and the counts.

        Runs the data frame once and persists the result; ``result.unpersist()`` when done.

        Args:
            unique: columns of which no two rows may hold the same value; a tuple of columns is one
                key together, ``/meta/id`` a member of a struct. Of equal rows the first is kept.
                Null is no key.
            max_invalid: the share of rows that may be invalid; None is any.

        Raises:
            ConfigurationError: an option cannot be used, or there is no such column.
            SchemaValidationError: more rows are invalid than ``max_invalid`` allows, and nothing
                is persisted. To set them aside first leave it out, and then ask
                ``result.report.check_share``.
        """
        keys = self.keys(unique, max_invalid, lambda: frame.columns)
        judged = frame.mapInArrow(self, self.output_schema(frame.schema)).persist()
        try:
            counted = judged.mapInArrow(self._each_counted, f"{COUNTS} string")
            total = self.total(row.asDict() for row in counted.collect())
            return SparkResult(judged, total, self, judged).held_to(keys, max_invalid)
        except BaseException:
            judged.unpersist()
            raise

    def _each_counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        return map(self.counts, batches)

    @never_raises
    def __repr__(self) -> str:
        return f"schema_map_in_arrow({self.reference!r})"


def check_columns(schema: StructType) -> None:
    """ConfigurationError for columns that mapInArrow does not take.

    These are two of one name, at any depth; one whose name it takes for a field of another; and
    intervals of months, which Spark cannot read back from Arrow.
    """
    _check_names(schema.names)
    for field in schema.fields:
        _check_type(field.name, field.dataType)


def _check_type(name: str, kind: DataType) -> None:
    if kind.typeName() in ("interval", "yearmonthinterval"):
        raise ConfigurationError(
            f"mapInArrow takes no {kind.simpleString()}: cast {name!r}, as to a string"
        )
    for part in (getattr(kind, word, None) for word in ("elementType", "keyType", "valueType")):
        if part is not None:
            _check_type(name, part)
    fields = getattr(kind, "fields", ())
    _check_twins([field.name for field in fields], f"{name!r} has")
    for field in fields:
        _check_type(f"{name}.{field.name}", field.dataType)


def _check_names(names: Sequence[str]) -> None:
    alike = names if tells_case_apart() else [name.lower() for name in names]
    _check_twins(alike, "the data frame has")
    for name in names:
        if "." in name or "`" in name:
            raise ConfigurationError(
                f"mapInArrow takes no name with a dot or a backtick: rename {name!r}"
            )


def _check_twins(names: Sequence[str], who: str) -> None:
    twin = next((name for name, times in Counter(names).items() if times > 1), None)
    if twin is not None:
        raise ConfigurationError(f"{who} two columns of the name {twin!r}")


schema_map_in_arrow = SchemaMapInArrow
"""As ``mapInArrow`` reads; makes a SchemaMapInArrow."""
