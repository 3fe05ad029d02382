"""The rules beside a schema, asked about each row that the schema accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from llm_integrations.core.arrow.kernels.masks import Bits
from llm_integrations.core.arrow.run.cell_overrides import CellOverrides, put_in, values_at
from llm_integrations.core.validation.report import Violation
from llm_integrations.core.validation.rules.rule_book import Findings
from llm_integrations.core.validation.validator import Validator

__all__ = ["BrokenRules", "RowRules"]

BrokenRules: TypeAlias = Mapping[int, Sequence[Violation]]
"""By the number of the row in its batch the rules that it breaks."""

_AT_ONCE: Final = 4_096
"""Rows that are Python objects at one time."""


class RowRules:
    """Asks a validator's rules about rows."""

    def __init__(self, validator: Validator) -> None:
        book = validator.rules
        assert book is not None  # noqa: S101 - only such validators come here
        self._book = book
        self._schema = validator.by_schema
        self._show_values = validator.options.show_values

    def broken(
        self, batch: Any, bits: Bits, overrides: Mapping[int, CellOverrides]
    ) -> dict[int, tuple[Violation, ...]]:
        """What the accepted rows break."""
        if not self._book.judged:
            return {}
        found: dict[int, tuple[Violation, ...]] = {}
        for number, row in self._accepted(batch, bits, overrides):
            findings = self._findings(row)
            if findings.violations:
                found[number] = findings.violations
        return found

    def _findings(self, row: Any) -> Findings:
        accepted = self._schema.compile().accepted(row)
        return self._book.findings(accepted, show_values=self._show_values)

    def _accepted(
        self, batch: Any, bits: Bits, overrides: Mapping[int, CellOverrides]
    ) -> Iterator[tuple[int, Any]]:
        looked_at = self._columns(batch)
        rows = np.flatnonzero(bits)
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            if looked_at.num_columns:
                values = values_at(looked_at, some, overrides)
            else:
                values = [put_in({}, overrides.get(int(number))) for number in some]
            yield from zip(map(int, some), values, strict=True)

    def _columns(self, batch: Any) -> Any:
        """Those that the rules look at: the others need not become Python objects."""
        fields = self._book.fields
        if fields is None or not self._schema.compile().tells_parts:
            return batch
        return batch.select([name for name in batch.schema.names if name in fields])
