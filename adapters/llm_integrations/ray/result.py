"""A judged data set: its two parts, and its counts."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.arrow.driver import JudgedData
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.arrow.run.batches import as_table
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.arrow.unique.rows import Condemning, KeyDigests, PartTask
from llm_integrations.core.quarantine import Quarantine

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["RayResult"]

_AT_ONCE: Final = 1_000
"""Blocks whose keys are on their way to the driver at one time."""


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

    def _answers(self, task: KeyDigests) -> Iterator[Any]:
        import ray

        blocks = self.judged.to_arrow_refs()
        for start in range(0, len(blocks), _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, len(blocks)))
            yield from ray.get(list(_started(task, blocks, numbers).values()))

    def _changed(self, task: Condemning) -> Dataset:
        from ray.data import from_arrow_refs

        blocks = self.judged.to_arrow_refs()
        changed = _started(task, blocks, task.rows)
        return from_arrow_refs([changed.get(at, block) for at, block in enumerate(blocks)])


def _started(task: PartTask, blocks: list[Any], numbers: Iterable[int]) -> dict[int, Any]:
    """References to what a task makes of blocks. A block keeps its number when a worker dies."""
    import ray

    remote, shared = ray.remote(_run), ray.put(task)
    return {number: remote.remote(shared, blocks[number], number) for number in numbers}


def _run(task: PartTask, block: Any, number: int) -> Any:
    return as_table(task(block, number, 0))


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
