"""What judging a table found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llm_integrations.core.arrow.run.verdict_counts import VerdictCounts, read_reasons
from llm_integrations.core.validation.report import Violation

__all__ = ["ArrowReport"]


@dataclass(frozen=True, kw_only=True)
class ArrowReport(VerdictCounts):
    """The verdict on a table, row by row. False when a row is invalid.

    Attributes:
        mask: a BooleanArray, true for each valid row.
        failures: a Table with the columns ``row`` (int64, counted from 0) and ``reasons`` (JSON
            text, a list of [path, message, keyword, schema path]), a row for each explained one.
    """

    mask: Any = field(repr=False)
    failures: Any = field(repr=False)

    def violations(self) -> Iterator[tuple[int, tuple[Violation, ...]]]:
        """Each explained row's number with what is wrong in it."""
        for batch in self.failures.to_batches(max_chunksize=4096):
            rows, texts = batch.column("row").to_pylist(), batch.column("reasons").to_pylist()
            yield from zip(rows, map(read_reasons, texts), strict=True)
