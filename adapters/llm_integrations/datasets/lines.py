"""JSON lines: null and missing are two things there, so rows are judged as they stand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.tables.json_line import read_line
from llm_integrations.core.validation import ValidationReport, Validator, Violation
from llm_integrations.datasets.blocks import BlockCount

__all__ = ["LINES", "LineJudge", "line_blocks"]

LINES: Final = 50_000
"""Lines judged and written in one step."""


def line_blocks(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file, LINES at a time."""
    try:
        with path.open("rb") as stream:
            while block := list(islice(stream, LINES)):
                yield block
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


class LineJudge:
    """Judges lines; what is no JSON is set aside as well."""

    def __init__(
        self, validator: Validator, quarantine: Quarantine, *, source: str, raises: bool
    ) -> None:
        self._validator = validator
        self._quarantine = quarantine
        self._source = source
        self._raises = raises

    def judge(self, lines: list[bytes], first: int, part: str, into: IO[bytes]) -> BlockCount:
        """Copy the valid lines into a stream; set the others aside. Blank lines are no records."""
        bad: list[QuarantinedRecord] = []
        total = 0
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                continue
            total += 1
            record = self._condemned(line, number)
            if record is None:
                into.write(line if line.endswith(b"\n") else line + b"\n")
            else:
                bad.append(record)
        self._quarantine.add(bad, part=part)
        reasons = Counter(
            reason
            for record in bad
            for reason in {f"{e.keyword} at {e.path or '(root)'}" for e in record.errors}
        )
        return BlockCount(total, len(bad), reasons)

    def _condemned(self, line: bytes, number: int) -> QuarantinedRecord | None:
        try:
            value = read_line(line)
        except (ValueError, RecursionError) as error:
            text = line.decode("utf-8", "backslashreplace").rstrip("\n")
            return self._set_aside(text, self._broken(f"is not JSON: {_kind(error)}"), number)
        if not isinstance(value, dict):
            text = line.decode("utf-8", "backslashreplace").rstrip("\n")
            return self._set_aside(text, self._broken("is no object"), number)
        if self._validator.is_valid(value):
            return None
        return self._set_aside(value, self._validator.validate(value), number)

    def _set_aside(self, value: Any, report: ValidationReport, number: int) -> QuarantinedRecord:
        if self._raises:
            raise SchemaValidationError(f"line {number + 1}: {report}", report=report)
        return QuarantinedRecord.of(value, report, source=self._source, position=number)

    def _broken(self, reason: str) -> ValidationReport:
        return ValidationReport(
            is_valid=False,
            errors=(Violation("", f"the line {reason}", "json"),),
            schema=self._validator.reference,
            fingerprint=self._validator.fingerprint,
        )


def _kind(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
