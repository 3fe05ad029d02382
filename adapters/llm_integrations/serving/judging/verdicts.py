"""What was decided about one request, and how the client and the log hear of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.observability import get_logger
from llm_integrations.core.validation.report import ValidationReport
from llm_integrations.serving.shapes import Answer, Parsed
from llm_integrations.serving.shapes.failure import Headers

__all__ = ["Invalid", "Verdicts", "schema_header"]


class Invalid(NamedTuple):
    """An answer that is not valid, or the arguments of the tool named."""

    report: ValidationReport
    text: str
    tool: str


Piece: TypeAlias = tuple[str | int, ...] | tuple[Answer, str]

log = get_logger(__name__)


@lru_cache(maxsize=4096)
def schema_header(*references: str) -> bytes:
    """References as a header value: subjects may hold any character."""
    return ", ".join(quote(reference, safe="@/:.+ ") for reference in references).encode("ascii")


@lru_cache(maxsize=4096)
def _all_valid(*references: str) -> Headers:
    return [(b"x-schema", schema_header(*references)), (b"x-schema-valid", b"true")]


class Verdicts:
    """Collects verdicts by side. Logs each invalid one, without the data.

    Attributes:
        invalid: the first report that says invalid, of the side that is being judged.
        answer: the first answer that is invalid.
        set_aside: gets each of them, with its report and its place.
    """

    __slots__ = (
        "_dropped",
        "_errors",
        "_extracted",
        "_input_errors",
        "_references",
        "_rule",
        "_unjudged",
        "answer",
        "invalid",
        "set_aside",
    )

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._references: list[str] = []
        self._errors = self._input_errors = self._dropped = 0
        self._unjudged = False
        self._extracted: dict[str, None] = {}
        self.invalid: ValidationReport | None = None
        self.answer: Invalid | None = None
        self.set_aside: Callable[[ValidationReport, str, str], None] | None = None

    def add(self, judge: Judge, reference: str, verdict: Verdict, piece: Piece) -> None:
        """``piece`` is where in the request, or which answer and which tool's arguments in it."""
        if reference not in self._references:
            self._references.append(reference)
        if verdict.outcome == "valid":
            return
        if verdict.report is None:
            self._unjudged = True
            return
        self._errors += len(verdict.report.errors)
        self.invalid = self.invalid or verdict.report
        if piece and isinstance(piece[0], Answer) and self.wants_text:
            self.note(_invalid(piece[0], str(piece[1]), verdict.report), piece)
        self._log(judge, verdict.report, piece)

    @property
    def wants_text(self) -> bool:
        """Whether anybody asks what an invalid answer was."""
        return self.answer is None or self.set_aside is not None

    def note(self, invalid: Invalid, piece: Piece) -> None:
        self.answer = self.answer or invalid
        if self.set_aside is not None:
            self.set_aside(invalid.report, invalid.text, _name(piece))

    def extracted(self, ways: Iterable[str]) -> None:
        """An answer was judged by what these ways found in it."""
        self._extracted.update(dict.fromkeys(ways))

    def unjudged(self) -> None:
        self._unjudged = True

    def input_done(self) -> None:
        self._input_errors = self._errors
        self.invalid = None

    def forget_answers(self) -> None:
        """Before the model is asked again: what its first answer was like counts no more."""
        self._errors, self._dropped = self._input_errors, 0
        self.invalid = self.answer = None
        self._extracted.clear()

    def dropping(self, judge: Callable[[], bool]) -> bool:
        """Whether an answer passes. One that does not is dropped: the headers tell of it alone."""
        before = self._errors, self._unjudged
        passes = judge()
        if not passes:
            self._errors, self._unjudged = before
            self._dropped += 1
        return passes

    def headers(self) -> Headers:
        """``x-schema``, ``x-schema-valid`` and, if there are any, ``x-schema-errors``."""
        is_plain = not (self._errors or self._unjudged or self._dropped or self._extracted)
        if self._references and is_plain:
            return _all_valid(*self._references)
        headers: Headers = []
        if self._references:
            headers.append((b"x-schema", schema_header(*self._references)))
        if self._errors:
            headers += ((b"x-schema-valid", b"false"), (b"x-schema-errors", b"%d" % self._errors))
        elif self._unjudged:
            headers.append((b"x-schema-valid", b"unjudged"))
        elif self._dropped or self._extracted:
            headers.append((b"x-schema-valid", b"true"))
        if self._extracted:
            headers.append((b"x-schema-extracted", ", ".join(self._extracted).encode()))
        if self._dropped:
            headers.append((b"x-schema-dropped", b"%d" % self._dropped))
        return headers

    def _log(self, judge: Judge, report: ValidationReport, piece: Piece) -> None:
        log.warning(
            "%s %s, rule %s, %s: %s",
            judge.module,
            judge.side,
            self._rule,
            _name(piece),
            report,
            extra={
                "llmi_module": judge.module,
                "llmi_side": judge.side,
                "llmi_rule": self._rule,
                "llmi_schema": report.schema,
                "llmi_errors": [f"{e.path}: {e.keyword}" for e in report.errors],
            },
        )


def _invalid(answer: Answer, tool: str, report: ValidationReport) -> Invalid:
    given = answer.content
    if tool:
        given = next((arguments for name, arguments in answer.calls if name == tool), None)
    if isinstance(given, Parsed):
        given = json.dumps(given.value, ensure_ascii=False, default=str)
    return Invalid(report, given or "", tool)


def _name(piece: Piece) -> str:
    match piece:
        case (Answer() as answer, str() as tool):
            cut = ", cut by the token limit" if answer.cut else ""
            return f"choice {answer.number}{cut}" + (f", tool {tool!r}" if tool else "")
    return ".".join(map(str, piece)) or "body"
