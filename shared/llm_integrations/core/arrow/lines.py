"""Tables of raw lines: a column of text, each of which is a row as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

from llm_integrations.core.arrow.kernels.jsontext import parsed
from llm_integrations.core.arrow.kernels.unreadable import UnreadableValue
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.arrow.run.reason_texts import ReasonTexts
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.arrow.run.verdict_counts import ERRORS, VALID, annotated
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine.columns import texts_of
from llm_integrations.core.validation.report import Violation
from llm_integrations.core.validation.validator import Validator

__all__ = ["LinePlan", "check_lines", "line_texts"]

_NO_JSON: Final = Violation("", "the line is not JSON", "json")
_NO_OBJECT: Final = Violation("", "the line is no object", "json")
_MARK: Final = "\ufeff"
"""What some editors begin a file with; Ray's reader leaves it in the first line."""
_BLANK: Final = f" \t\r\n{_MARK}"
_NO_TEXT: Final = Violation("", "the line holds half of a surrogate pair, which is no text", "json")


@dataclass(frozen=True)
class LinePlan:
    """Judges tables whose rows are lines of JSON, so that a bad one costs itself alone.

    Attributes:
        validator: the row-wise judge.
        column: where the text of each row is.
    """

    validator: Validator
    column: str

    def annotate(self, data: Any, *, valid: str = VALID, errors: str = ERRORS) -> Any:
        """See ``ArrowPlan.annotate``; blank lines are no rows, and are left out."""
        texts = lines_in(data, self.column)
        rows = [text is None or text.strip(_BLANK) != "" for text in texts]
        if not all(rows):
            data, texts = rows_where(data, pa.array(rows)), list(compress(texts, rows))
        words = ReasonTexts()
        found: list[str | None] = []
        for text in texts:
            violations = self._violations(text)
            found.append(words.text(violations) if violations else None)
        mask = pa.array([reason is None for reason in found], pa.bool_())
        return annotated(data, mask, pa.array(found, pa.string()), valid=valid, errors=errors)

    def rows(self, data: Any) -> list[Any]:
        """The objects that the lines hold; an empty one where a line holds none."""
        found = (_row(text) for text in lines_in(data, self.column))
        return [{} if isinstance(row, Violation) else row for row in found]

    def _violations(self, text: str | None) -> Sequence[Violation]:
        row = _row(text)
        if isinstance(row, Violation):
            return (row,)
        return () if self.validator.is_valid(row) else self.validator.validate(row).errors


def check_lines(column: str, names: Sequence[str]) -> None:
    """ConfigurationError if the column of lines is none of these."""
    if column not in names:
        known = ", ".join(map(repr, names))
        raise ConfigurationError(f"there is no column {column!r} of lines; the columns are {known}")


def lines_in(data: Any, column: str) -> list[str | None]:
    """The texts of a column. ConfigurationError if there is no such column of text."""
    check_lines(column, data.schema.names)
    found = data.column(column)
    kind = found.type
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        raise ConfigurationError(f"the column {column!r} of lines is {kind}, not text")
    texts: list[str | None] = found.to_pylist()
    return texts


def line_texts(data: Any, column: str) -> tuple[Sequence[str], Sequence[str] | None]:
    """What a quarantine keeps of lines: what they say, and of those that are no row their text."""
    return texts_of(_kept(lines_in(data, column)))


def _kept(texts: Iterable[str | None]) -> Iterable[Any]:
    for text in texts:
        row = _row(text)
        yield text if isinstance(row, Violation) else row


def _row(text: str | None) -> Any:
    """The object that a line holds; a Violation where it holds none."""
    value = _NO_JSON if text is None else parsed(text.removeprefix(_MARK))
    if text is None or isinstance(value, UnreadableValue):
        return _NO_JSON
    if not isinstance(value, dict):
        return _NO_OBJECT
    return value if "\\u" not in text or _is_unicode(value) else _NO_TEXT


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
