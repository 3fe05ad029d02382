"""A plan at work: what it compiled to for each kind of table, and what it says about batches."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.compile.table import CompiledTable, compile_table
from llm_integrations.core.arrow.kernels.masks import Bits
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.arrow.run.cell_overrides import (
    BrokenRow,
    CellOverrides,
    judged_columns,
    kept_columns,
    overrides_of,
    values_at,
    without_corrupt,
)
from llm_integrations.core.arrow.run.explaining import Explainer, Reasons
from llm_integrations.core.arrow.run.readable import readable
from llm_integrations.core.arrow.run.row_rules import BrokenRules, RowRules
from llm_integrations.core.errors import ArrowMismatch
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.validator import Validator

__all__ = ["Judged", "Running"]

_KEPT: Final = 32
"""Kinds of tables. A stream of tables that all differ must not fill the memory."""


@dataclass(frozen=True)
class Judged:
    """A batch as it was judged, its first row's number in the table, which rows are valid, what
    stands in some rows instead of what the columns hold, and which rules some rows break."""

    batch: Any
    first_row: int
    bits: Bits
    overrides: Mapping[int, CellOverrides]
    broken: BrokenRules


class Running:
    """Judges batches. Safe to share between threads."""

    def __init__(
        self,
        validator: Validator,
        json_columns: tuple[str, ...],
        corrupt_record: str | None = None,
    ) -> None:
        self._validator = validator.by_schema
        self._rules = RowRules(validator) if validator.rules is not None else None
        self._json_columns = json_columns
        self._corrupt_record = corrupt_record
        self._explainer = Explainer(validator.by_schema)
        self._known: dict[Any, CompiledTable] = {}
        self._lock = threading.Lock()

    def judge(self, batch: Any, first_row: int = 0) -> Judged:
        batch = without_corrupt(batch, self._corrupt_record)
        overrides = overrides_of(batch)
        columns = self._readable(judged_columns(batch))
        bits = self.table(columns.schema).run(columns)
        if overrides:
            bits = self._by_row(batch, bits.copy(), overrides, first_row)
        broken: BrokenRules = {}
        if self._rules is not None:
            broken = self._rules.broken(columns, bits, overrides)
            if broken:
                bits = bits.copy()
                bits[list(broken)] = False
        return Judged(columns, first_row, bits, overrides, broken)

    def reasons(self, judged: Judged, most: int | None) -> Reasons:
        """What is wrong with the invalid rows of a batch, or with the first of them."""
        rows = np.flatnonzero(~judged.bits)[:most]
        alike = self.table(judged.batch.schema).alike
        return self._explainer.explain(
            judged.batch, rows, judged.first_row, judged.overrides, judged.broken, alike
        )

    def table(self, schema: Any) -> CompiledTable:
        """What the schema compiles to for batches with these columns."""
        with self._lock:
            if schema not in self._known:
                while len(self._known) >= _KEPT:
                    self._known.pop(next(iter(self._known)))
                self._known[schema] = self._compile(schema)
            return self._known[schema]

    def schema_of(self, schema: Any) -> Any:
        """The columns as they are judged, when tables have these."""
        empty = [pa.nulls(0, kind) for kind in schema.types]
        batch = without_corrupt(pa.record_batch(empty, schema=schema), self._corrupt_record)
        return self._readable(batch).schema

    def _by_row(
        self, batch: Any, bits: Bits, overrides: Mapping[int, CellOverrides], first_row: int
    ) -> Bits:
        rows = np.fromiter(overrides, np.int64, len(overrides))
        kept = kept_columns(batch).schema
        texts = {field.name for field in kept if types.is_string(field.type)}
        values = values_at(self._readable(judged_columns(batch)), rows, overrides)
        for row, value in zip(rows, values, strict=True):
            if isinstance(value, BrokenRow):
                bits[row] = False
                continue
            bits[row] = self._validator.is_valid(value)
            if bits[row]:
                _must_be_held(overrides[int(row)], texts, first_row + int(row))
        return bits

    def _readable(self, batch: Any) -> Any:
        return readable(batch.replace_schema_metadata(None), self._json_columns)

    def _compile(self, schema: Any) -> CompiledTable:
        validator = self._validator
        return compile_table(
            Documents(validator.body, validator.resources),
            validator.options,
            schema,
            validator.is_valid,
        )


def _must_be_held(override: CellOverrides, texts: Collection[str], row: int) -> None:
    """Valid rows are handed on as their columns hold them, and only text can hold anything."""
    lost = [name for name in override if name not in texts] if isinstance(override, dict) else []
    if lost:
        raise ArrowMismatch(
            f"row {row}: the schema allows what stands in the column {lost[0]!r}, and the column "
            "cannot hold it; please report this"
        )
