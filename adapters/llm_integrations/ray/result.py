"""A judged data set: its two parts, and its counts."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_integrations.core.arrow.driver import JudgedData
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.quarantine import Quarantine

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["RayResult"]


@dataclass(frozen=True)
class RayResult(JudgedData["Dataset"]):
    """The result of judging a data set. False when a row is invalid.

    ``report.rows == valid.count() + invalid.count()``.
    """

    @property
    def valid(self) -> Dataset:
        """The valid rows, with the columns that the data set had."""
        chosen = _RowsByVerdict(self.by.valid, True, (self.by.valid, self.by.errors))
        return self.judged.map_batches(chosen, batch_format="pyarrow")

    @property
    def invalid(self) -> Dataset:
        """The invalid rows, with their reasons in the errors column."""
        chosen = _RowsByVerdict(self.by.valid, False, (self.by.valid,))
        return self.judged.map_batches(chosen, batch_format="pyarrow")

    def quarantine(self, into: Quarantine | str | Path, *, source: str) -> int:
        """Write the invalid rows into a quarantine; return how many. Doing it again adds none.

        Args:
            into: a Quarantine, its folder on the driver's machine, or the URL of one elsewhere
                (``s3://…``), which is written and has to be copied here to release.
            source: where the rows come from; the same whenever it is done again.
        """
        parts = self.invalid.iter_batches(batch_format="pyarrow", batch_size=None)
        return self._set_aside(parts, into, source)


@dataclass(frozen=True)
class _RowsByVerdict:
    """Keeps the rows of one verdict, without columns that are no longer needed."""

    valid: str
    verdict: bool
    without: tuple[str, ...]

    def __call__(self, batch: Any) -> Any:
        verdicts = batch.column(self.valid).combine_chunks()
        chosen = rows_where(batch, verdicts if self.verdict else pc.invert(verdicts))
        return chosen.drop_columns(list(self.without))
