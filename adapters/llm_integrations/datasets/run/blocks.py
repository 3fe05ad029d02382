"""Judging one block of rows, and setting its invalid rows aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from llm_integrations.core.arrow import ArrowPlan, ArrowReport
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.arrow.run.cell_overrides import kept_columns
from llm_integrations.core.arrow.run.row_texts import text_column
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.quarantine import Quarantine, RecordColumns
from llm_integrations.core.validation import Validator
from llm_integrations.datasets.run.counts import BlockCount

__all__ = ["BlockJudge", "JudgedBlock"]


@dataclass(frozen=True, slots=True)
class JudgedBlock:
    """A block of rows, judged.

    Attributes:
        first_row: the position of its first row in the source.
        aside: its invalid rows in the quarantine's form; None if there are none.
    """

    table: pa.Table
    report: ArrowReport
    first_row: int
    count: BlockCount
    aside: RecordColumns | None

    @property
    def valid(self) -> pa.Table:
        """The block's valid rows."""
        table = kept_columns(self.table)
        return table if self.report.is_valid else rows_where(table, self.report.mask)


class BlockJudge:
    """Judges blocks of one source by one schema.

    Args:
        validator: the schema.
        source: the name of the rows' source in quarantined records.
        run: the run's name, the same for the same rows and schema. The quarantine's parts are
            named by it, so that a block judged again after a crash sets nothing aside twice.
        quarantine: where invalid rows go.
        raises: raise at the first block with an invalid row, set none aside.
        threads: how many judge at once; None for as many as there are processors.
    """

    def __init__(
        self,
        validator: Validator,
        *,
        source: str,
        run: str,
        quarantine: Quarantine,
        raises: bool = False,
        threads: int | None = None,
    ) -> None:
        self.quarantine = quarantine
        self.run = run
        self._plan = ArrowPlan(validator, None, (), threads)
        self._source = source
        self._raises = raises

    def examine(self, table: pa.Table, first_row: int) -> JudgedBlock:
        """Judge a block; ``set_aside`` writes its invalid rows into the quarantine.

        Raises:
            SchemaValidationError: a row is invalid, under ``raises``.
        """
        report = self._plan.validate(table)
        if not report.is_valid and self._raises:
            _raise(report)
        reasons = {str(reason): count for reason, count in report.reasons.items()}
        count = BlockCount(table.num_rows, report.invalid, reasons)
        return JudgedBlock(table, report, first_row, count, self._aside(table, report, first_row))

    def set_aside(self, found: JudgedBlock, part: str) -> None:
        """Write the block's invalid rows as the quarantine's part of this name."""
        if found.aside is not None:
            self.quarantine.add_columns(found.aside, part=part)

    def _aside(self, table: pa.Table, report: ArrowReport, first_row: int) -> RecordColumns | None:
        if report.is_valid:
            return None
        # `take` would first copy all chunks of a column into one.
        invalid = rows_where(table, pc.invert(report.mask))
        texts, encodings = text_column(invalid)
        return RecordColumns(
            data=texts,
            errors=report.failures.column("reasons"),
            positions=pc.add(report.failures.column("row"), first_row),
            encodings=encodings,
            schema=report.schema,
            fingerprint=report.fingerprint,
            source=self._source,
            nulls=report.nulls,
        )


def _raise(report: Any) -> None:
    try:
        report.raise_if_invalid()
    except SchemaValidationError as error:
        raise SchemaValidationError(
            f"{report.invalid} of {report.rows} rows: {error}", report=error.report
        ) from None
