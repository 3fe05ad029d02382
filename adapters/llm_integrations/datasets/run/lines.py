"""Judging JSON lines one by one: unlike a table, a line tells null from a missing value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llm_integrations.core.arrow.alike_rows import AlikeRows
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
        aside = _InvalidLines(first)
        blank = 0
        for line in self._refused(block, first):
            valid[line.number] = False
            if line.row is None:
                blank += 1
            else:
                aside.add(line)
        count = BlockCount(len(block) - blank, len(aside.errors), self._reasons(aside.errors))
        return JudgedLines(block, _spans(block, valid), self._columns(aside), count)

    def _refused(self, block: LineBlock, first: int) -> Iterator[_Refused]:
        """The lines of a block that are no valid rows."""
        held: list[_Refused] = []
        most = _most_held(block)
        certain = self._certain
        for decoded in decoded_lines(block, certain if certain and certain.is_useful else None):
            for index in self._doubtful(decoded):
                number = decoded.first + index
                held.append(
                    _Refused(number, block.line(number), decoded.rows[index], decoded.exact)
                )
            if len(held) >= most:
                yield from self._explained(held, first)
                held = []
        yield from self._explained(held, first)

    def _explained(self, lines: list[_Refused], first: int) -> Iterator[_Refused]:
        """Those of some doubtful lines that are no valid rows, with what is wrong with them."""
        exact = [line for line in lines if line.exact]
        speakers = iter(self._alike.speakers([line.row for line in exact]))
        for line in lines:
            speaker = exact[next(speakers)] if line.exact else line
            line.errors = speaker.errors
            if not line.errors and line.row is not None:
                found = self._violations(line, first)
                line.errors = self._texts.text(found) if found else ""
            if line.errors or line.row is None:
                yield line

    @cached_property
    def _alike(self) -> AlikeRows:
        return AlikeRows(self._validator)

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

    def _violations(self, line: _Refused, first: int) -> Sequence[Violation]:
        """The violations of a line; empty if it is valid."""
        if isinstance(line.row, NoRow):
            found: Sequence[Violation] = (Violation("", str(line.row), "json"),)
        elif line.exact:
            evaluator, most = self._validator.compile(), self._validator.options.max_errors
            size = line.most_values if line.brackets <= evaluator.levels else 0
            found = evaluator.explain(line.row, most=most, size=size).violations
        else:
            found = self._validator.validate(line.row).errors
        if found and self._raises:
            by = self._validator
            report = ValidationReport(False, tuple(found), (), by.reference, by.fingerprint)
            raise SchemaValidationError(f"line {first + line.number + 1}: {report}", report=report)
        return found

    def _reasons(self, errors: Sequence[str]) -> dict[str, int]:
        counts = self._texts.counted(Counter(errors))
        return {str(reason): rows for reason, rows in counts.items()}

    def _columns(self, aside: _InvalidLines) -> RecordColumns:
        by = self._validator
        return RecordColumns(
            data=pa.array(aside.data, pa.string()),
            errors=aside.errors,
            positions=aside.positions,
            encodings=aside.encodings if any(aside.encodings) else None,
            schema=by.reference or f"sha256:{by.fingerprint[:12]}",
            fingerprint=by.fingerprint,
            source=self._source,
            nulls=by.options.nulls,
        )


@dataclass(slots=True, repr=False)
class _Refused:
    """A line that is not certainly valid.

    Attributes:
        number: of the line in its block.
        line: its bytes.
        row, exact: see DecodedLines.
        errors: what is wrong with it, as JSON text; empty before that was asked, and where it is
            valid after all.
        brackets: how many open, within texts too: it is no deeper.
    """

    number: int
    line: bytes
    row: Any
    exact: bool
    errors: str = ""
    brackets: int = field(init=False)

    def __post_init__(self) -> None:
        self.brackets = self.line.count(b"{") + self.line.count(b"[")

    @property
    def most_values(self) -> int:
        """Values in the row, at the most, and one more for 64 characters."""
        return 1 + self.brackets + self.line.count(b",") + (len(self.line) >> 6)

    @property
    def is_flat_enough(self) -> bool:
        """Whether any reader of JSON can read an exact row again."""
        return self.brackets <= _DEEPEST or is_plain(self.row, _DEEPEST)


class _InvalidLines:
    """The invalid lines of a block, gathered as columns."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.data: list[str | bytes] = []
        self.encodings: list[str] = []
        self.errors: list[str] = []
        self.positions: list[int] = []

    def add(self, line: _Refused) -> None:
        text, encodings = self._text(line)
        self.data.append(text)
        self.encodings.append(encodings)
        self.errors.append(line.errors)
        self.positions.append(self._first + line.number)

    def _text(self, refused: _Refused) -> tuple[str | bytes, str]:
        if isinstance(refused.row, NoRow):
            line = refused.line.decode("utf-8", "backslashreplace")
            text, encodings = write(line.rstrip("\n"))
        elif refused.exact and refused.is_flat_enough:
            return refused.line.strip(), ""  # Arrow takes it for text without making one of it
        else:
            text, encodings = write(refused.row)
        return text, encodings_text(encodings, {})


_DEEPEST: Final = 100
"""Levels of nesting up to which a line's own text is kept: any reader can read it again."""
_HELD: Final = 2_048
_HELD_BYTES: Final = 1 << 20
"""Doubtful lines whose rows are in memory at once, at the most."""


def _most_held(block: LineBlock) -> int:
    return min(_HELD, 1 + _HELD_BYTES * len(block) // max(1, block.size))


def _spans(block: LineBlock, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The start and end of each run of valid lines, in bytes; shape (runs, 2)."""
    edges = np.flatnonzero(np.diff(valid, prepend=False, append=False))
    places = np.append(block.starts, len(block.data))[edges]
    return places.reshape(-1, 2)
