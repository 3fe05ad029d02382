"""Asking a model again: how often, by what it is told, and what is raised in the end."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.judge import Verdict
from llm_integrations.core.observability import get_logger
from llm_integrations.core.validation import ValidationReport, Validator
from llm_integrations.langchain.asking_again import feedback
from llm_integrations.langchain.reading.payload import judge_piece
from llm_integrations.langchain.reading.text import Said
from llm_integrations.langchain.traced import TracedJudge

__all__ = ["Asking", "check_retries"]

_MOST = 2000

log = get_logger(__name__)


class Asking:
    """One question and the answers to it. Every invalid one is counted by the judge."""

    def __init__(
        self, judge: TracedJudge, retries: int, config: RunnableConfig | None = None
    ) -> None:
        self._judge = judge
        self._config = config
        self._retries = retries
        self.reports: list[ValidationReport] = []

    @property
    def is_first(self) -> bool:
        return not self.reports

    def hear(self, validator: Validator, *pieces: Any) -> str | None:
        """Judge the pieces of an answer: what to tell the model, or None to let it through.

        Raises:
            SchemaValidationError: the last answer was invalid too, under enforce; ``reports`` has
                those on all of them.
        """
        for piece in pieces:
            verdict = judge_piece(self._judge, validator, piece)
            if verdict.report is None:
                continue
            self.reports.append(verdict.report)
            if len(self.reports) <= self._retries:
                log.warning(
                    "langchain output %s; asked again (%d of %d)",
                    verdict.report,
                    len(self.reports),
                    self._retries,
                    extra={"llmi_module": "langchain", "llmi_schema": verdict.report.schema},
                )
                return _feedback(verdict.report, validator, piece)
            self._give_up(verdict.report)
        return None

    def hear_unreadable(self, validator: Validator, words: str, why: str) -> str | None:
        """``hear`` for what no schema need look at.

        Args:
            words: what the report says of it.
            why: what the model is told.
        """
        report = self._judge.refuse(validator, words).report
        if report is None:
            return None
        self.reports.append(report)
        if len(self.reports) <= self._retries:
            return (
                f"Your answer could not be read: {why[:_MOST]}\n"
                f"Answer again with the whole answer as {report.schema} asks, and nothing else."
            )
        self._give_up(report)
        return None

    def _give_up(self, report: ValidationReport) -> None:
        try:
            self._judge.act(Verdict("invalid", report), config=self._config)
        except SchemaValidationError as error:
            if len(self.reports) == 1:
                raise
            told = f"{len(self.reports)} answers, each asked for anew, and the last {error}"
            raise SchemaValidationError(told, report=report, reports=tuple(self.reports)) from None


def _feedback(report: ValidationReport, validator: Validator, piece: Any) -> str:
    """What is wrong, with values; text that is no answer at all has words of its own."""
    data, words = piece.read(validator) if isinstance(piece, Said) else (piece, "")
    shown = report if words else feedback.with_values(validator, data)
    return feedback.about_answer(report if shown.is_valid else shown)


def check_retries(retries: int) -> int:
    """ConfigurationError for a number of retries that there is not."""
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= 20:
        raise ConfigurationError(f"retries must be a number from 0 to 20, not {retries!r}")
    return retries
