"""A stream judged while it is read."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pyarrow as pa

from llm_integrations.core.quarantine.columns import listed
from llm_integrations.datasets.report import DatasetReport
from llm_integrations.datasets.run.blocks import BlockJudge, JudgedBlock

if TYPE_CHECKING:
    from datasets import IterableDataset

__all__ = ["StreamGate", "judged_stream"]

_BATCH = 4096


class StreamGate:
    """A function for ``map`` that lets a stream's valid rows through and counts into a report."""

    def __init__(self, judge: BlockJudge, report: DatasetReport) -> None:
        self._judge = judge
        self._report = report

    def __call__(self, table: pa.Table, indices: list[int]) -> pa.Table:
        first = indices[0]
        if first == 0:
            # The stream is read from its beginning again: count anew; parts keep their names.
            self._report.start_over()
        found = self._judge.examine(table, first)
        self._judge.set_aside(found, self._part(found))
        self._report.add(found.count)
        return found.valid

    def _part(self, found: JudgedBlock) -> str:
        """Named by its rows, not their positions: each shard numbers its rows from 0."""
        aside = found.aside
        about = "" if aside is None else json.dumps([listed(aside.positions), listed(aside.data)])
        return f"{self._judge.run}-{sha256(about.encode()).hexdigest()[:24]}"


def judged_stream(
    stream: IterableDataset, judge: BlockJudge, report: DatasetReport
) -> IterableDataset:
    """The valid rows of a stream. The report is complete once it was read to its end."""
    report.complete = False
    gate = StreamGate(judge, report)
    judged = stream.with_format("arrow").map(
        gate, batched=True, batch_size=_BATCH, with_indices=True, features=stream.features
    )
    return judged.with_format(None)
