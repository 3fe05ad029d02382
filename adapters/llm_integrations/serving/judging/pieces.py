"""Judging one value, and the parts of replies that have schemas of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from llm_integrations.core.errors import LLMIntegrationsError, ValidationLimitExceeded
from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.observability import get_logger
from llm_integrations.core.validation import Validator
from llm_integrations.core.validation.messages.json_text import no_json
from llm_integrations.serving.judging.verdicts import Invalid, Verdicts
from llm_integrations.serving.rules.checks import Field, Piece
from llm_integrations.serving.rules.plan import Answers
from llm_integrations.serving.rules.resolve import count_unjudged, raises
from llm_integrations.serving.shapes.jsontext import read_json

__all__ = ["FAILED", "Part", "failed", "judge_parts", "judge_piece", "judge_text", "parts_of"]

log = get_logger(__name__)

FAILED: Final = Verdict("unjudged")
"""There was a schema, and judging by it broke off."""

_MOST_INVALID: Final = 100
"""Parts of a reply; what comes after them is left alone, since the reply is invalid anyway."""


def judge_piece(judge: Judge, piece: Piece, validator: Validator) -> Verdict:
    """Judge and count; FAILED where that broke off."""
    try:
        if piece.problem is not None:
            return judge.refuse(validator, piece.problem)
        if piece.is_text:
            return judge_text(judge, validator, piece.value)
        return judge.judge_by(validator, piece.value)
    except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
        return failed(judge, error)


def judge_text(judge: Judge, validator: Validator, text: str) -> Verdict:
    """Judge text that should be JSON; text that is not is invalid."""
    try:
        data = read_json(text)
    except (ValueError, RecursionError) as error:
        return judge.refuse(validator, no_json(error))
    return judge.judge_by(validator, data)


def failed(judge: Judge, error: Exception) -> Verdict:
    """FAILED, counted and logged. Foreign messages could quote data, so only ours are repeated."""
    reason = f": {error}" if isinstance(error, LLMIntegrationsError) else ""
    what = f"{judge.module} {judge.side}"
    log.error("%s was not judged: %s%s", what, type(error).__name__, reason)
    if not isinstance(error, ValidationLimitExceeded):  # which the judge has counted
        count_unjudged(judge)
    return FAILED


class Part(NamedTuple):
    """A piece of a reply that a check found.

    Attributes:
        number: of the choice that it belongs to; None for what belongs to none.
    """

    check: Field
    validator: Validator
    piece: Piece
    number: Any


def parts_of(by: Answers, body: Any) -> Iterator[Part]:
    """What the checks of the rule find in a reply, or in the like of one that an event holds."""
    numbers = by.shape.choices_in(body)
    for check, validator in by.checks:
        for piece in check.found(body):
            yield Part(check, validator, piece, _choice(piece.path, numbers))


def _choice(path: tuple[str | int, ...], numbers: Any) -> Any:
    if len(path) < 2 or path[0] != "choices" or not str(path[1]).isdecimal():
        return None
    return numbers[int(path[1])] if int(path[1]) < len(numbers) else None


def judge_parts(by: Answers, parts: Iterable[Part], verdicts: Verdicts) -> bool:
    """Judge and count them. False when one of them may not go out under enforce."""
    judge, invalid, passes = by.rule.judge, 0, True
    for _, validator, piece, _ in parts:
        verdict = judge_piece(judge, piece, validator)
        verdicts.add(judge, validator.reference, verdict, piece.path)
        if verdict.report is not None:
            passes, invalid = False, invalid + 1
            if verdicts.wants_text:
                text = json.dumps(piece.value, ensure_ascii=False)
                verdicts.note(Invalid(verdict.report, text, ""), piece.path)
            if invalid == _MOST_INVALID:
                break
        elif verdict is FAILED and raises(judge):
            passes = False
    return passes
