"""JSON lines: null and missing are two things there, so rows are judged as they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.quarantine import QuarantinedRecord
from llm_integrations.core.tables.json_line import NoRow, read_row
from llm_integrations.core.validation import ValidationReport, Validator, Violation
from llm_integrations.datasets.run.counts import BlockCount

__all__ = ["LINES", "ExaminedLines", "LineJudge", "blocks_of_lines"]

LINES: Final = 50_000
"""Lines judged and written in one step."""


def blocks_of_lines(path: Path, first: int) -> Iterator[list[bytes]]:
    """The lines of a file, LINES at a time, from a block on."""
    try:
        with path.open("rb") as stream:
            lines = islice(stream, first * LINES, None)
            while block := list(islice(lines, LINES)):
                yield block
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class ExaminedLines:
    """A block of lines with the verdict on it.

    Attributes:
        valid: the valid lines, each with its end.
        aside: the others, as the quarantine takes them.
    """

    valid: Sequence[bytes]
    aside: Sequence[QuarantinedRecord]

    @property
    def count(self) -> BlockCount:
        reasons = Counter(reason for record in self.aside for reason in record.reasons)
        return BlockCount(len(self.valid) + len(self.aside), len(self.aside), dict(reasons))


class LineJudge:
    """Judges lines; what is no JSON object is set aside as well.

    Args:
        validator: the schema.
        source: what the quarantine calls where the lines came from.
        raises: stop at the first invalid line instead.
    """

    def __init__(self, validator: Validator, *, source: str, raises: bool) -> None:
        self._validator = validator
        self._source = source
        self._raises = raises

    def examine(self, lines: list[bytes], first: int) -> ExaminedLines:
        """Blank lines are no records.

        Args:
            first: the number of the first line in the file.

        Raises:
            SchemaValidationError: a line is invalid and the judge raises.
        """
        valid: list[bytes] = []
        aside: list[QuarantinedRecord] = []
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                continue
            record = self._condemned(line, number)
            if record is None:
                valid.append(line if line.endswith(b"\n") else line + b"\n")
            else:
                aside.append(record)
        return ExaminedLines(valid, aside)

    def _condemned(self, line: bytes, number: int) -> QuarantinedRecord | None:
        try:
            value = read_row(line)
        except NoRow as error:
            return self._broken(line, str(error), number)
        report = self._validator.validate(value)
        return None if report.is_valid else self._set_aside(value, report, number)

    def _broken(self, line: bytes, reason: str, number: int) -> QuarantinedRecord:
        text = line.decode("utf-8", "backslashreplace").rstrip("\n")
        by = self._validator
        errors = (Violation("", reason, "json"),)
        report = ValidationReport(False, errors, (), by.reference, by.fingerprint)
        return self._set_aside(text, report, number)

    def _set_aside(self, value: object, report: ValidationReport, number: int) -> QuarantinedRecord:
        if self._raises:
            raise SchemaValidationError(f"line {number + 1}: {report}", report=report)
        return QuarantinedRecord.of(value, report, source=self._source, position=number)
