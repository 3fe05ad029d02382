"""What a run over a JSONL file keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar

from datasets import Dataset
from llm_integrations.datasets.run.line_dataset import open_lines
from llm_integrations.datasets.run.lines import ExaminedLines
from llm_integrations.datasets.run.parts import Parts

__all__ = ["LineParts"]


class LineParts(Parts[ExaminedLines]):
    """JSONL files, and in the end one Arrow file of all their rows."""

    suffix: ClassVar[str] = "jsonl"

    def set_aside(self, found: ExaminedLines, part: str) -> None:
        self._quarantine.add(found.aside, part=part)

    def write(self, found: ExaminedLines, stream: IO[bytes]) -> None:
        stream.writelines(found.valid)

    def opened(self, paths: Sequence[Path]) -> Dataset:
        return open_lines(paths, self._folder / f"{self._run}.arrow")
