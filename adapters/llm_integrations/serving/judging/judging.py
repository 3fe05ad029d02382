"""Judging the parts of a request, and answers with their tool calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from llm_integrations.core.errors import LLMIntegrationsError, ValidationLimitExceeded
from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.observability import get_logger
from llm_integrations.core.validation import Validator
from llm_integrations.core.validation.messages.json_text import no_json
from llm_integrations.serving.judging.extract import extracted
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.checks import Piece
from llm_integrations.serving.rules.plan import Answers, Plan
from llm_integrations.serving.rules.pointer import param_of
from llm_integrations.serving.rules.resolve import count_unjudged, pass_unjudged, raises
from llm_integrations.serving.rules.rule import InputRule
from llm_integrations.serving.shapes import Answer, Parsed, Shape
from llm_integrations.serving.shapes.failure import Refused, bad_request, unavailable
from llm_integrations.serving.shapes.jsontext import read_json

__all__ = ["judge_answer", "judge_answers", "judge_request"]

log = get_logger(__name__)

_FAILED: Final = Verdict("unjudged")
"""There was a schema, and judging by it broke off."""


def judge_request(
    side: InputRule, shape: Shape, plan: Plan, request: Any, verdicts: Verdicts
) -> None:
    """Judge and count what the plan wants to be judged of a request.

    Raises:
        Refused: 400 for invalid data under enforce; 503 when it cannot be judged and must be.
    """
    for check, validator in plan.inputs:
        for piece in check.pieces(shape, request):
            verdict = _judge_piece(side, piece, validator)
            verdicts.add(side.judge, validator.reference, verdict, piece.path)
            if verdict.outcome != "valid":
                _act(side, piece, verdict, verdicts)
    for check, validator in plan.shadows:
        for piece in check.pieces(shape, request):
            _try_piece(side, piece, validator)
    verdicts.input_done()


def _judge_piece(side: InputRule, piece: Piece, validator: Validator) -> Verdict:
    try:
        if piece.problem is not None:
            return side.judge.refuse(validator, piece.problem)
        if piece.is_text:
            return _judge_text(side.judge, validator, piece.value)
        return side.judge.judge_by(validator, piece.value)
    except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
        return _failed(side.judge, error)


def _act(side: InputRule, piece: Piece, verdict: Verdict, verdicts: Verdicts) -> None:
    if verdict is _FAILED and raises(side.judge):
        raise Refused(unavailable())
    if verdict.report is not None and side.judge.mode == "enforce":
        inside = None if piece.is_text or piece.problem else verdict.report.errors[0]
        param = param_of(piece.path, inside)
        failure = bad_request(f"{param} {verdict.report}", param)
        raise Refused(failure.with_headers(verdicts.headers()))


def judge_answers(by: Answers, answers: Sequence[Answer], verdicts: Verdicts) -> bool:
    """Judge and count each answer. False when one of them may not go out under enforce."""
    passes = True
    for answer in answers:
        passes = judge_answer(by, answer, verdicts) and passes
    return passes


def judge_answer(by: Answers, answer: Answer, verdicts: Verdicts) -> bool:
    """As ``judge_answers``, of one."""
    if by.rule.config.extract and isinstance(answer.content, str):
        text, used = extracted(answer.content, by.rule.config.extract)
        answer = answer._replace(content=text)
        verdicts.extracted(used)
    passes = not any(name in by.missing for name, _ in answer.calls)
    if not passes:
        pass_unjudged(by.rule.judge, "the schema of a tool that was not offered is not to be had")
    for validator, value, tool in _judged(by, answer):
        try:
            if by.weights and not _is_within(by, value, tool):
                verdict = _too_dear(by.rule.judge, validator)
            else:
                verdict = _judge(by, answer, validator, value)
        except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
            verdict = _failed(by.rule.judge, error)
        verdicts.add(by.rule.judge, validator.reference, verdict, (answer, tool))
        if verdict.outcome == "invalid" or (verdict is _FAILED and raises(by.rule.judge)):
            passes = False
    if by.shadow is not None and not answer.calls:
        _try_answer(by, answer, by.shadow)
    return passes


def _is_within(by: Answers, value: str | Parsed | None, tool: str) -> bool:
    """Whether judging a value by a schema of the client's is worth its price, which is paid."""
    if weight := by.weights.get(tool, 0):
        text = json.dumps(value.value) if isinstance(value, Parsed) else value or ""
        by.work -= weight * len(text)
    return by.work >= 0


def _too_dear(judge: Judge, validator: Validator) -> Verdict:
    judge.skip(validator)
    log.warning("%s output is too large to be judged by its client's schema", judge.module)
    return _FAILED


def _try_answer(by: Answers, answer: Answer, validator: Validator) -> None:
    """Judge by the version that is tried. It has no other effect than a count and a log line."""
    tried = replace(by, rule=replace(by.rule, judge=by.rule.shadow_judge))
    try:
        _tell(by.rule.shadow_judge, _judge(tried, answer, validator, answer.content))
    except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
        _failed(by.rule.shadow_judge, error)


def _try_piece(side: InputRule, piece: Piece, validator: Validator) -> None:
    judge = side.shadow_judge
    _tell(judge, _judge_piece(replace(side, judge=judge), piece, validator))


def _tell(judge: Judge, verdict: Verdict) -> None:
    if verdict.report is not None:
        log.warning("%s %s: %s", judge.module, judge.side, verdict.report)


def _judged(by: Answers, answer: Answer) -> Sequence[tuple[Validator, str | Parsed | None, str]]:
    """What is judged of an answer, by what, and of which tool. Text beside calls is only talk."""
    if answer.calls:
        return [
            (by.tools[name], arguments, name)
            for name, arguments in answer.calls
            if name in by.tools
        ]
    return () if by.content is None else ((by.content, answer.content, ""),)


def _judge(
    by: Answers, answer: Answer, validator: Validator, value: str | Parsed | None
) -> Verdict:
    judge = by.rule.judge
    if answer.declined or (answer.cut and by.rule.config.on_length == "skip"):
        return judge.skip(validator)
    if answer.cut and by.rule.config.on_length == "invalid":
        return judge.refuse(validator, "the token limit cut it")
    if isinstance(value, str):
        return _judge_text(judge, validator, value)
    if value is None:
        return judge.refuse(validator, "there is no text")
    return judge.judge_by(validator, value.value)


def _judge_text(judge: Judge, validator: Validator, text: str) -> Verdict:
    """Judge text that should be JSON; text that is not is invalid."""
    try:
        data = read_json(text)
    except (ValueError, RecursionError) as error:
        return judge.refuse(validator, no_json(error))
    return judge.judge_by(validator, data)


def _failed(judge: Judge, error: Exception) -> Verdict:
    """_FAILED, counted and logged. Foreign messages could quote data, so only ours are repeated."""
    reason = f": {error}" if isinstance(error, LLMIntegrationsError) else ""
    what = f"{judge.module} {judge.side}"
    log.error("%s was not judged: %s%s", what, type(error).__name__, reason)
    if not isinstance(error, ValidationLimitExceeded):  # which the judge has counted
        count_unjudged(judge)
    return _FAILED
