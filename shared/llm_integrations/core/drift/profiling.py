"""Making the profile of a data set in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from llm_integrations.core.arrow import VerdictCounts
from llm_integrations.core.arrow.pyarrow_modules import pa, pc
from llm_integrations.core.drift.domains import named_values
from llm_integrations.core.drift.judged import judged_file, judged_tables
from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.profile import ColumnProfile, Family, Profile
from llm_integrations.core.drift.sketch import CategorySketch, NumberSketch
from llm_integrations.core.extras import require_extra
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation import Validator

__all__ = ["profile_tables"]


def profile_tables(
    data: Path | Iterable[Any],
    validator: Validator,
    *,
    labels: Labels | None = None,
    alike: Profile | None = None,
    json_columns: tuple[str, ...] = (),
) -> Profile:
    """The profile of some data, read once.

    Args:
        data: pyarrow Tables with the same columns each, or a Parquet, CSV or JSONL file.
        validator: judges the rows; its option ``nulls`` says how null counts in tables, while in
            JSON lines null is a value.
        labels: how values are named; None for a salt of this profile's own.
        alike: a profile to compare with: where it has categories, they are counted.
        json_columns: columns that hold JSON as text and are judged as the values it encodes.

    Raises:
        ConfigurationError: the file cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    require_extra("drift", "pyarrow", "numpy")
    named = labels or Labels()
    if isinstance(data, Path):
        judged = judged_file(data, validator)
    else:
        judged = judged_tables(data, validator, json_columns)
    schema = Documents(validator.body, validator.resources)
    columns: dict[str, _Column] = {}
    rows = invalid = 0
    reasons: Counter[str] = Counter()
    for block in judged:
        before = rows
        rows, invalid = rows + block.counts.rows, invalid + block.counts.invalid
        reasons.update(_scaled(block.counts))
        for path, values in _flat_columns(block.columns):
            name = "/".join(path)
            if name not in columns:
                columns[name] = _Column(named_values(schema, path), values.type, before)
            columns[name].add(values)
    return Profile(
        schema=validator.reference,
        fingerprint=validator.fingerprint,
        rows=rows,
        invalid=invalid,
        reasons=dict(reasons.most_common()),
        columns={
            name: column.profile(named, rows, _has_categories(alike, name))
            for name, column in columns.items()
        },
        salt=named.salt,
        key_id=named.key_id,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _scaled(report: VerdictCounts) -> dict[str, int]:
    """Counts of reasons, extrapolated to all invalid rows where only some were explained."""
    explained = report.invalid - report.unexplained
    factor = report.invalid / explained if explained else 1.0
    return {str(reason): round(count * factor) for reason, count in report.reasons.items()}


def _has_categories(alike: Profile | None, name: str) -> bool:
    column = alike.columns.get(name) if alike is not None else None
    return column is not None and column.categories is not None


def _flat_columns(table: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The columns by their paths, structs replaced by their fields."""
    for name, column in zip(table.schema.names, table.columns, strict=True):
        yield from _flattened((name,), column)


def _flattened(path: tuple[str, ...], column: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(column.type, pa.BaseExtensionType):
        stored = [chunk.storage for chunk in column.chunks]
        column = pa.chunked_array(stored, type=column.type.storage_type)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_struct(column.type):
        yield path, column
        return
    for index in range(column.type.num_fields):
        yield from _flattened(
            (*path, column.type.field(index).name), pc.struct_field(column, [index])
        )


class _Column:
    """The statistics of one column, gathered block by block."""

    def __init__(self, named: frozenset[str], kind: Any, missed: int) -> None:
        self._kind = kind
        self._rows = self._nulls = missed
        self._named = named
        self._numbers = NumberSketch()
        self._categories = CategorySketch()
        self._family: Family = _family(kind)

    def add(self, values: Any) -> None:
        self._rows += len(values)
        self._nulls += values.null_count
        if self._family == "null":
            # The column had only nulls so far, so its type was unknown.
            self._kind, self._family = values.type, _family(values.type)
        if self._family == "number" and pa.types.is_floating(values.type):
            # A JSONL column that held only integers before.
            self._kind = values.type
        counted = self._family in ("text", "boolean") or bool(self._named)
        if counted and self._family in ("text", "boolean", "number"):
            self._categories.add(_value_counts(values))
        if self._family in ("number", "text", "time", "list"):
            self._numbers.add(_as_floats(values, self._family))

    def profile(self, labels: Labels, rows: int, always: bool) -> ColumnProfile:
        nulls = self._nulls + rows - self._rows
        # true and false identify nobody, so they are shown in plain text.
        known = self._named | {"true", "false"}
        categories = self._categories.categories(
            labels, known, always=always or bool(self._named) or self._family == "boolean"
        )
        numbers = None if self._named else self._numbers.numbers()
        return ColumnProfile(str(self._kind), self._family, rows, nulls, numbers, categories)


def _family(kind: Any) -> Family:
    import pyarrow.types as t

    tests: tuple[tuple[Family, Callable[[Any], bool]], ...] = (
        ("number", lambda k: t.is_integer(k) or t.is_floating(k) or t.is_decimal(k)),
        ("text", lambda k: t.is_string(k) or t.is_large_string(k) or t.is_string_view(k)),
        ("boolean", t.is_boolean),
        ("time", lambda k: t.is_timestamp(k) or t.is_date(k)),
        ("list", lambda k: t.is_list(k) or t.is_large_list(k)),
        ("null", t.is_null),
    )
    for name, matches in tests:
        if matches(kind):
            return name
    return "other"


def _value_counts(values: Any) -> list[tuple[Any, int]]:
    counted = pc.value_counts(values.drop_null())
    return list(
        zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    )


def _as_floats(values: Any, family: Family) -> Any:
    """Numbers as they are, times in seconds, text and lists as their lengths."""
    values = values.drop_null()
    if family == "text":
        values = pc.utf8_length(values.cast(pa.large_string()))
    elif family == "list":
        values = pc.list_value_length(values)
    elif family == "time":
        values = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    numbers = values.cast(pa.float64(), safe=False).to_numpy().astype(np.float64, copy=False)
    return numbers / 1e6 if family == "time" else numbers
