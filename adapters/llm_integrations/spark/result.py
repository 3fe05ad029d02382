"""A judged data frame: its two parts, and its counts."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm_integrations.core.arrow.driver import JudgedData
from llm_integrations.core.quarantine import Quarantine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SparkResult"]


@dataclass(frozen=True)
class SparkResult(JudgedData["DataFrame"]):
    """The result of judging a data frame, whose rows are persisted. False when a row is invalid.

    ``report.rows == valid.count() + invalid.count()``.
    """

    @property
    def valid(self) -> DataFrame:
        """The valid rows, with the columns that the data frame had."""
        chosen = self.judged.where(self.judged[self.by.valid])
        return chosen.drop(self.by.valid, self.by.errors)

    @property
    def invalid(self) -> DataFrame:
        """The invalid rows, with their reasons in the errors column."""
        return self.judged.where(~self.judged[self.by.valid]).drop(self.by.valid)

    def quarantine(self, into: Quarantine | str | Path, *, source: str) -> int:
        """Write the invalid rows into a quarantine; return how many. Doing it again adds none.

        They are brought to the driver, since a quarantine is a folder of its machine.

        Args:
            into: a Quarantine, or its folder.
            source: where the rows come from; the same whenever it is done again.
        """
        return self._set_aside([self.invalid.toArrow()], into, source)

    def unpersist(self) -> None:
        """Free what Spark keeps of the verdict; the parts are computed again if asked for."""
        self.judged.unpersist()
