"""Judging JSON lines one by one: unlike a table, a line tells null from a missing value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.run.reason_texts import ReasonTexts
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.files import reason_of
from llm_integrations.core.quarantine import RecordColumns
from llm_integrations.core.quarantine.encoding import write
from llm_integrations.core.quarantine.record import encodings_text
from llm_integrations.core.tables.certain_rows import CertainRows, certain_rows
from llm_integrations.core.tables.json_line import NoRow
from llm_integrations.core.tables.line_block import DecodedLines, LineBlock, decoded_lines
from llm_integrations.core.tables.line_block import blocks_of_lines as read_blocks
from llm_integrations.core.tables.line_block import places_of_lines as read_places
from llm_integrations.core.validation import ValidationReport, Validator, Violation
from llm_integrations.core.validation.engine_faults import is_fault
from llm_integrations.core.validation.plain import is_plain
from llm_integrations.datasets.run.counts import BlockCount

__all__ = ["LINES", "JudgedLines", "LineJudge", "blocks_of_lines", "places_of_lines"]

LINES: Final = 50_000
"""Lines judged and written in one step, at the most."""


def blocks_of_lines(path: Path, first: int) -> Iterator[LineBlock]:
    """The lines of a file in blocks, from block number ``first`` on."""
    return _from(first, read_blocks, path)


def places_of_lines(path: Path, first: int) -> Iterator[LineBlock]:
    """The same blocks without their data, for other processes to read."""
    return _from(first, read_places, path)


def _from(
    first: int, read: Callable[[Path, int], Iterator[LineBlock]], path: Path
) -> Iterator[LineBlock]:
    try:
        yield from islice(read(path, LINES), first, None)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None


@dataclass(frozen=True, slots=True, repr=False)
class JudgedLines:
    """A block of lines, judged.

    Attributes:
        spans: where the valid lines are in the block, in bytes: [start, end) for each run of
            neighbours; shape (runs, 2).
        aside: the invalid lines in the quarantine's form.
    """

    block: LineBlock
    spans: npt.NDArray[np.int64]
    aside: RecordColumns
    count: BlockCount

    @property
    def valid(self) -> Iterator[bytes]:
        """The valid lines with their line ends; neighbours in one piece."""
        for start, end in self.spans.tolist():
            piece = bytes(self.block.data[start:end])
            yield piece if piece.endswith(b"\n") else piece + b"\n"


class LineJudge:
    """Judges lines. A line that is no JSON object is invalid.

    Args:
        validator: the schema.
        source: the name of the lines' source in quarantined records.
        raises: raise at the first invalid line.
    """

    def __init__(self, validator: Validator, *, source: str, raises: bool) -> None:
        self._validator = validator
        self._source = source
        self._raises = raises
        self._texts = ReasonTexts()

    def examine(self, block: LineBlock, first: int) -> JudgedLines:
        """Judge a block. Blank lines count as no rows.

        Args:
            first: the number of the first line in the file.

        Raises:
            SchemaValidationError: a line is invalid, under ``raises``.
        """
        valid = np.ones(len(block), np.bool_)
        aside = _InvalidLines(block, first)
        blank = 0
        certain = self._certain
        for decoded in decoded_lines(block, certain if certain and certain.is_useful else None):
            for index in self._doubtful(decoded):
                number = decoded.first + index
                row = decoded.rows[index]
                if row is None:
                    valid[number] = False
                    blank += 1
                elif found := self._violations(row, decoded.exact, number + first):
                    valid[number] = False
                    aside.add(number, row, decoded.exact, self._texts.text(found))
        count = BlockCount(len(block) - blank, len(aside.errors), self._reasons(aside.errors))
        return JudgedLines(block, _spans(block, valid), self._columns(aside), count)

    @cached_property
    def _certain(self) -> CertainRows | None:
        return certain_rows(self._validator)

    def __reduce__(self) -> tuple[Any, ...]:
        # What reads lines does not pickle.
        return partial(LineJudge, source=self._source, raises=self._raises), (self._validator,)

    def _doubtful(self, decoded: DecodedLines) -> Sequence[int]:
        """Which lines are not certainly valid."""
        fast = self._validator.compile().fast
        if not decoded.exact:
            return range(len(decoded.rows))
        try:
            passed = list(map(fast, decoded.rows))
        except BaseException as error:
            if not is_fault(error):
                raise
            return range(len(decoded.rows))
        return [] if all(passed) else [index for index, fits in enumerate(passed) if not fits]

    def _violations(self, row: Any, exact: bool, number: int) -> Sequence[Violation]:
        """The violations of a line; empty if it is valid."""
        if isinstance(row, NoRow):
            found: Sequence[Violation] = (Violation("", str(row), "json"),)
        elif exact:
            most = self._validator.options.max_errors
            found = self._validator.compile().explain(row, most=most).violations
        else:
            found = self._validator.validate(row).errors
        if found and self._raises:
            by = self._validator
            report = ValidationReport(False, tuple(found), (), by.reference, by.fingerprint)
            raise SchemaValidationError(f"line {number + 1}: {report}", report=report)
        return found

    def _reasons(self, errors: Sequence[str]) -> dict[str, int]:
        counts = self._texts.counted(Counter(errors))
        return {str(reason): rows for reason, rows in counts.items()}

    def _columns(self, aside: _InvalidLines) -> RecordColumns:
        by = self._validator
        return RecordColumns(
            data=aside.data,
            errors=aside.errors,
            positions=aside.positions,
            encodings=aside.encodings if any(aside.encodings) else None,
            schema=by.reference or f"sha256:{by.fingerprint[:12]}",
            fingerprint=by.fingerprint,
            source=self._source,
            nulls=by.options.nulls,
        )


class _InvalidLines:
    """The invalid lines of a block, gathered as columns."""

    def __init__(self, block: LineBlock, first: int) -> None:
        self._block = block
        self._first = first
        self.data: list[str] = []
        self.encodings: list[str] = []
        self.errors: list[str] = []
        self.positions: list[int] = []

    def add(self, number: int, row: Any, exact: bool, errors: str) -> None:
        text, encodings = self._text(number, row, exact)
        self.data.append(text)
        self.encodings.append(encodings)
        self.errors.append(errors)
        self.positions.append(self._first + number)

    def _text(self, number: int, row: Any, exact: bool) -> tuple[str, str]:
        line = self._block.line(number)
        if isinstance(row, NoRow):
            text, encodings = write(line.decode("utf-8", "backslashreplace").rstrip("\n"))
        elif exact and is_plain(row, _DEEPEST):
            return line.strip().decode(), ""
        else:
            text, encodings = write(row)
        return text, encodings_text(encodings, {})


_DEEPEST: Final = 100
"""Levels of nesting up to which a line's own text is kept: any reader can read it again."""


def _spans(block: LineBlock, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The start and end of each run of valid lines, in bytes; shape (runs, 2)."""
    edges = np.flatnonzero(np.diff(valid, prepend=False, append=False))
    places = np.append(block.starts, len(block.data))[edges]
    return places.reshape(-1, 2)
