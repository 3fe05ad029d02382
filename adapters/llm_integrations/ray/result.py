"""A judged data set: its two parts, and its counts."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from llm_integrations.core.arrow import ArrowPlan, Tally, set_aside
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.quarantine import Quarantine

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["RayResult", "tally_of"]

_TALLY = "tally"


@dataclass(frozen=True)
class RayResult:
    """What came of judging a data set. False when a row is invalid.

    Attributes:
        judged: every row with the columns that hold its verdict; computed already.
        report: the counts and reasons. ``report.rows == valid.count() + invalid.count()``.
    """

    judged: Dataset
    report: Tally
    _valid: str
    _errors: str
    _json_columns: tuple[str, ...] = ()

    @property
    def valid(self) -> Dataset:
        """The valid rows, with the columns that the data set had."""
        return self.judged.map_batches(
            _Chosen(self._valid, True, (self._valid, self._errors)), batch_format="pyarrow"
        )

    @property
    def invalid(self) -> Dataset:
        """The invalid rows, with their reasons in the errors column."""
        return self.judged.map_batches(
            _Chosen(self._valid, False, (self._valid,)), batch_format="pyarrow"
        )

    def quarantine(self, into: Quarantine | str | Path, *, source: str) -> int:
        """Write the invalid rows into a quarantine; return how many. Doing it again adds none.

        Args:
            into: a Quarantine, or its folder, on the driver's machine.
            source: where the rows come from; the same whenever it is done again.
        """
        parts = self.invalid.iter_batches(batch_format="pyarrow", batch_size=None)
        return set_aside(
            parts,
            into,
            self.report,
            source=source,
            errors=self._errors,
            json_columns=self._json_columns,
        )

    def __bool__(self) -> bool:
        return self.report.is_valid


@dataclass(frozen=True)
class _Chosen:
    """Keeps the rows of one verdict, without columns that are no longer needed."""

    valid: str
    verdict: bool
    without: tuple[str, ...]

    def __call__(self, batch: Any) -> Any:
        verdicts = batch.column(self.valid)
        chosen = batch.filter(verdicts if self.verdict else pc.invert(verdicts))
        return chosen.drop_columns(list(self.without))


@dataclass(frozen=True)
class _Counted:
    """One row for a batch: its tally as JSON text."""

    plan: ArrowPlan
    valid: str
    errors: str

    def __call__(self, batch: Any) -> Any:
        tally = self.plan.tally(batch, valid=self.valid, errors=self.errors)
        return pa.table({_TALLY: [tally.to_json()]})


def tally_of(judged: Dataset, plan: ArrowPlan, valid: str, errors: str) -> Tally:
    """The tallies of all blocks, counted where they are and added up here."""
    counted = judged.map_batches(_Counted(plan, valid, errors), batch_format="pyarrow")
    nothing = pa.table({valid: pa.array([], pa.bool_()), errors: pa.array([], pa.string())})
    parts = (Tally.from_dict(json.loads(row[_TALLY])) for row in counted.iter_rows())
    return reduce(add, parts, plan.tally(nothing, valid=valid, errors=errors))
