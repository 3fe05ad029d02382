"""A judged data frame: its two parts, and its counts."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from llm_integrations.core.arrow.driver import JudgedData, WorkerJudge
from llm_integrations.core.arrow.run.setting_aside import RowTexts, set_texts_aside
from llm_integrations.core.arrow.unique.rows import Condemning, KeyDigests, PartTask
from llm_integrations.core.quarantine import Quarantine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SparkResult"]

_KEYS: Final = "key binary, part int, row long"
_TEXTS: Final = "data string, encodings string, errors string"
_AT_ONCE: Final = 8_192
"""Rows of one part of a quarantine."""


@dataclass(frozen=True)
class SparkResult(JudgedData["DataFrame"]):
    """The result of judging a data frame, whose rows are persisted. False when a row is invalid.

    ``report.rows == valid.count() + invalid.count()``.

    Attributes:
        kept: what Spark keeps of it: the rows by their schema's verdict.
    """

    kept: DataFrame

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

        The executors write their text; the driver, whose quarantine it is, has those of one
        partition at a time.

        Args:
            into: a Quarantine, or its folder.
            source: where the rows come from; the same whenever it is done again.
        """
        texts = self.invalid.mapInArrow(partial(_texts, self.by), _TEXTS)
        parts = _parts(texts.toLocalIterator())
        return set_texts_aside(parts, into, self.report, source=source)

    def unpersist(self) -> None:
        """Free what Spark keeps of the verdict; the parts are computed again if asked for."""
        self.kept.unpersist()

    def _answers(self, task: KeyDigests) -> list[Any]:
        return [self.judged.mapInArrow(_Numbered(task), _KEYS).toArrow()]

    def _changed(self, task: Condemning) -> DataFrame:
        return self.judged.mapInArrow(_Numbered(task), self.judged.schema)


@dataclass(frozen=True)
class _Numbered:
    """Tells a task which partition its batches are of, and which of its rows is their first."""

    task: PartTask

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        part, first = (0 if context is None else context.partitionId()), 0
        for batch in batches:
            yield self.task(batch, part, first)
            first += batch.num_rows


def _texts(by: WorkerJudge, batches: Iterator[Any]) -> Iterator[Any]:
    for data, encodings, errors in by.texts(batches):
        extra = pa.nulls(len(data), pa.string()) if encodings is None else encodings
        columns = [pa.array(data, pa.string()), pa.array(extra, pa.string()), errors]
        yield pa.RecordBatch.from_arrays(columns, ["data", "encodings", "errors"])


def _parts(rows: Iterator[Any]) -> Iterator[RowTexts]:
    while part := list(islice(rows, _AT_ONCE)):
        data, encodings, errors = map(list, zip(*part, strict=True))
        known = any(encodings)
        yield data, [text or "" for text in encodings] if known else None, errors
