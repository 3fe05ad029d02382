"""A judged data frame: its two parts, and its counts."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from llm_integrations.core.arrow import ArrowPlan, Tally, set_aside
from llm_integrations.core.quarantine import Quarantine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SparkResult", "tally_of"]

_TALLY = "tally"


@dataclass(frozen=True)
class SparkResult:
    """What came of judging a data frame. False when a row is invalid.

    Attributes:
        judged: every row with the columns that hold its verdict; persisted.
        report: the counts and reasons. ``report.rows == valid.count() + invalid.count()``.
    """

    judged: DataFrame
    report: Tally
    _valid: str
    _errors: str
    _json_columns: tuple[str, ...] = ()

    @property
    def valid(self) -> DataFrame:
        """The valid rows, with the columns that the data frame had."""
        return self.judged.where(self.judged[self._valid]).drop(self._valid, self._errors)

    @property
    def invalid(self) -> DataFrame:
        """The invalid rows, with their reasons in the errors column."""
        return self.judged.where(~self.judged[self._valid]).drop(self._valid)

    def quarantine(self, into: Quarantine | str | Path, *, source: str) -> int:
        """Write the invalid rows into a quarantine; return how many. Doing it again adds none.

        They are brought to the driver, since a quarantine is a folder of its machine.

        Args:
            into: a Quarantine, or its folder.
            source: where the rows come from; the same whenever it is done again.
        """
        return set_aside(
            [self.invalid.toArrow()],
            into,
            self.report,
            source=source,
            errors=self._errors,
            json_columns=self._json_columns,
        )

    def unpersist(self) -> None:
        """Free what Spark keeps of the verdict; the parts are computed again if asked for."""
        self.judged.unpersist()

    def __bool__(self) -> bool:
        return self.report.is_valid


@dataclass(frozen=True)
class _Counted:
    """One row for a batch: its tally as JSON text."""

    plan: ArrowPlan
    valid: str
    errors: str

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            tally = self.plan.tally(batch, valid=self.valid, errors=self.errors)
            yield pa.record_batch({_TALLY: pa.array([tally.to_json()])})


def tally_of(judged: DataFrame, plan: ArrowPlan, valid: str, errors: str) -> Tally:
    """The tallies of all batches, counted where they are and added up here."""
    counted = judged.mapInArrow(_Counted(plan, valid, errors), f"{_TALLY} string")
    nothing = pa.table({valid: pa.array([], pa.bool_()), errors: pa.array([], pa.string())})
    parts = (Tally.from_dict(json.loads(row[_TALLY])) for row in counted.collect())
    return reduce(add, parts, plan.tally(nothing, valid=valid, errors=errors))
