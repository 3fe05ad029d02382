"""Judging the parts of a request, and answers with their tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_integrations.core.judge import Verdict
from llm_integrations.core.validation import Validator
from llm_integrations.serving.judging.failure import bad_request, unavailable
from llm_integrations.serving.judging.guard import FAILED, failed
from llm_integrations.serving.judging.jsontext import judge_text
from llm_integrations.serving.judging.refused import Refused
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.checks import Piece
from llm_integrations.serving.rules.plan import Answers, Plan
from llm_integrations.serving.rules.pointer import param_of
from llm_integrations.serving.rules.resolve import raises
from llm_integrations.serving.rules.rules import InputRule
from llm_integrations.serving.shapes import Answer, Parsed, Shape

__all__ = ["judge_answers", "judge_request"]


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
            verdicts.add("input", validator.reference, verdict, piece.path)
            if verdict.outcome != "valid":
                _act(side, piece, verdict, verdicts)
    verdicts.input_done()


def _judge_piece(side: InputRule, piece: Piece, validator: Validator) -> Verdict:
    try:
        if piece.problem is not None:
            return side.judge.refuse(validator, piece.problem)
        if piece.is_text:
            return judge_text(side.judge, validator, piece.value)
        return side.judge.judge_by(validator, piece.value)
    except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
        return failed(side.judge, error)


def _act(side: InputRule, piece: Piece, verdict: Verdict, verdicts: Verdicts) -> None:
    if verdict is FAILED and raises(side.judge):
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
        for validator, value, tool in _judged(by, answer):
            try:
                verdict = _judge(by, validator, value, cut=answer.cut)
            except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
                verdict = failed(by.rule.judge, error)
            verdicts.add("output", validator.reference, verdict, (answer, tool))
            if verdict.outcome == "invalid" or (verdict is FAILED and raises(by.rule.judge)):
                passes = False
    return passes


def _judged(by: Answers, answer: Answer) -> Sequence[tuple[Validator, str | Parsed | None, str]]:
    """What is judged of an answer, by what, and of which tool. Text beside calls is only talk."""
    if answer.calls:
        return [
            (by.tools[name], arguments, name)
            for name, arguments in answer.calls
            if name in by.tools
        ]
    return () if by.content is None else ((by.content, answer.content, ""),)


def _judge(by: Answers, validator: Validator, value: str | Parsed | None, *, cut: bool) -> Verdict:
    judge = by.rule.judge
    if cut and by.rule.config.on_length == "skip":
        return judge.skip(validator)
    if cut and by.rule.config.on_length == "invalid":
        return judge.refuse(validator, "the token limit cut it")
    if isinstance(value, str):
        return judge_text(judge, validator, value)
    if value is None:
        return judge.refuse(validator, "there is no text")
    return judge.judge_by(validator, value.value)
