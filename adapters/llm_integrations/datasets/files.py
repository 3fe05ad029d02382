"""A JSONL file: valid lines are copied, the others set aside."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from datasets import Dataset
from llm_integrations.core.files import atomic_write
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.validation import Validator
from llm_integrations.datasets.line_dataset import open_lines
from llm_integrations.datasets.lines import LINES, LineJudge, line_blocks
from llm_integrations.datasets.report import DatasetReport

__all__ = ["validate_lines"]

Bar = Callable[[str, int | None, int], AbstractContextManager[Callable[[int], object]]]


def validate_lines(
    path: Path,
    validator: Validator,
    quarantine: Quarantine,
    report: DatasetReport,
    *,
    run: str,
    raises: bool,
    output: Path,
    bar: Bar,
) -> Dataset:
    """Write the valid lines to a file in ``output`` and open them as a Dataset."""
    judge = LineJudge(validator, quarantine, source=str(path), raises=raises)
    valid = output / f"{run}.jsonl"
    with atomic_write(valid, mode=0o600) as into, bar(str(path), None, 0) as advance:
        for number, lines in enumerate(line_blocks(path)):
            count = judge.judge(lines, number * LINES, f"{run}-{number:06d}", into)
            report.add(count.total, count.invalid, count.reasons)
            advance(len(lines))
    return open_lines(valid, output / f"{run}.arrow")
