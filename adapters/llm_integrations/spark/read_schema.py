"""The schema to read data frames with, as a JSON Schema describes their rows."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from llm_integrations.core.arrow import arrow_schema
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.spark.settings import CORRUPT_RECORD, corrupt_record_column

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["spark_schema"]


def spark_schema(
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    corrupt_record: str | None = CORRUPT_RECORD,
) -> StructType:
    """The StructType to read files with: ``spark.read.schema(spark_schema(ref)).json(path)``.

    Its last column takes the text of rows that Spark could not read, without which its PERMISSIVE
    mode loses them in silence; such rows are invalid. What no one type holds is read as text: of a
    text and of an object alike, so that raw lines had better be judged there.

    Args:
        schema: as ``training-row@1``.
        registry: a Registry, a URL, or None for the environment's.
        corrupt_record: the name of that column, by default what
            ``spark.sql.columnNameOfCorruptRecord`` says; None for no such column.

    Raises:
        ConfigurationError: the schema declares no properties, or one of the column's name.
        RegistryError: there is no such schema.
    """
    from pyspark.sql.types import StringType, StructField, StructType

    columns = arrow_schema(schema, registry=registry)
    corrupt_record = corrupt_record_column(corrupt_record)
    fields = [StructField(field.name, _type(field.type)) for field in columns]
    if corrupt_record is None:
        return StructType(fields)
    if corrupt_record in columns.names:
        raise ConfigurationError(
            f"the schema has a property {corrupt_record!r}: name another corrupt_record= column"
        )
    return StructType([*fields, StructField(corrupt_record, StringType())])


def _type(kind: pa.DataType) -> Any:
    from pyspark.sql import types as t

    if isinstance(kind, pa.ListType):
        return t.ArrayType(_type(kind.value_type))
    if isinstance(kind, pa.MapType):
        return t.MapType(_type(kind.key_type), _type(kind.item_type))
    if isinstance(kind, pa.StructType):
        return t.StructType([t.StructField(part.name, _type(part.type)) for part in kind])
    simple = {
        pa.int64(): t.LongType(),
        pa.float64(): t.DoubleType(),
        pa.bool_(): t.BooleanType(),
        pa.null(): t.NullType(),
    }
    return simple.get(kind, t.StringType())
