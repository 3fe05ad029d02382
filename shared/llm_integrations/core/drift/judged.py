"""Reading data in judged blocks: the columns, and the counts of valid and invalid rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow import ArrowPlan, Reason, VerdictCounts
from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.arrow.run.cell_overrides import judged_columns, overrides_of
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import reason_of
from llm_integrations.core.tables import LINE_SUFFIXES, read_tables
from llm_integrations.core.tables.json_line import NoRow, read_row
from llm_integrations.core.tables.line_columns import LineColumns
from llm_integrations.core.validation import Validator, Violation

__all__ = ["JudgedTable", "judged_files", "judged_tables"]

_EXPLAINED: Final = 2_000
"""Invalid rows of a block whose reasons are found, evenly chosen; the others are only counted."""
_LINES: Final = 50_000
_NO_ROW: Final = object()


@dataclass(frozen=True)
class JudgedTable:
    """A judged block.

    Attributes:
        columns: a pyarrow Table, without values that no column can hold.
        counts: the verdict on all rows of the block.
    """

    columns: Any
    counts: VerdictCounts


def judged_tables(
    tables: Iterable[Any],
    validator: Validator,
    json_columns: tuple[str, ...] = (),
    threads: int | None = None,
) -> Iterator[JudgedTable]:
    """Pyarrow Tables, judged by their columns.

    Args:
        json_columns: columns that hold JSON as text and are judged as the values it encodes.
    """
    plan = ArrowPlan(validator, None, json_columns, threads)
    for table in tables:
        yield JudgedTable(judged_columns(table), _counts_of_table(table, plan))


def _counts_of_table(table: Any, plan: ArrowPlan) -> VerdictCounts:
    found = plan.validate(table, max_failures=_EXPLAINED)
    if not found.unexplained or overrides_of(table):
        return found
    # Rows are often in some order, so that the first ones are like each other.
    invalid = np.flatnonzero(~np.asarray(found.mask))
    rows = invalid[_evenly(len(invalid))]
    chosen = np.zeros(table.num_rows, bool)
    chosen[rows] = True
    some = plan.validate(rows_where(table, pa.array(chosen)))
    return replace(some, rows=found.rows, valid=found.valid, unexplained=found.invalid - len(rows))


def _evenly(invalid: int) -> slice:
    return slice(None, None, max(-(-invalid // _EXPLAINED), 1))


def judged_files(paths: Iterable[Path], validator: Validator) -> Iterator[JudgedTable]:
    """Parquet, CSV or JSON lines files of any size, one after the other.

    Lines are judged one by one: unlike a table, a line tells null from a missing value.

    Raises:
        ConfigurationError: one is not there, cannot be read, or is of another kind.
    """
    columns = LineColumns()
    for path in paths:
        if path.suffix.lower() in LINE_SUFFIXES:
            yield from _judged_lines(path, validator, columns)
        else:
            yield from judged_tables(read_tables(path, validator=validator, codes=True), validator)


def _judged_lines(path: Path, validator: Validator, columns: LineColumns) -> Iterator[JudgedTable]:
    strict = validator.with_options(replace(validator.options, nulls="strict"))
    for values in _blocks(path):
        rows = [value for value in values if value is not _NO_ROW]
        yield JudgedTable(columns.table(rows), _counts(values, strict))


def _blocks(path: Path) -> Iterator[list[Any]]:
    """The values of lines, _NO_ROW for what is no JSON object; blank lines are skipped."""
    try:
        with path.open("rb") as stream:
            lines = (line for line in stream if line.strip())
            while block := list(islice(lines, _LINES)):
                yield [_value(line) for line in block]
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None


def _value(line: bytes) -> Any:
    try:
        return read_row(line)
    except NoRow:
        return _NO_ROW


def _counts(values: list[Any], validator: Validator) -> VerdictCounts:
    bad = [value for value in values if value is _NO_ROW or not validator.is_valid(value)]
    reasons: Counter[Reason] = Counter()
    explained = bad[_evenly(len(bad))]
    for value in explained:
        reasons.update(dict.fromkeys(map(Reason.of, _violations(value, validator)), 1))
    return VerdictCounts(
        rows=len(values),
        valid=len(values) - len(bad),
        reasons=dict(reasons.most_common()),
        unexplained=len(bad) - len(explained),
        schema=validator.reference,
        fingerprint=validator.fingerprint,
        nulls=validator.options.nulls,
        warnings=validator.warnings,
    )


def _violations(value: Any, validator: Validator) -> Iterable[Violation]:
    if value is _NO_ROW:
        return (Violation("", "the line is no JSON object", "json"),)
    return validator.validate(value).errors
