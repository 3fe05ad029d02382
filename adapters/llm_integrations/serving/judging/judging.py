"""Judging the parts of a request, and answers with their tool calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.observability import get_logger
from llm_integrations.core.validation import Validator
from llm_integrations.serving.judging.extract import extracted
from llm_integrations.serving.judging.pieces import FAILED, failed, judge_piece, judge_text
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.checks import Piece
from llm_integrations.serving.rules.plan import Answers, Plan
from llm_integrations.serving.rules.pointer import param_of
from llm_integrations.serving.rules.resolve import pass_unjudged, raises
from llm_integrations.serving.rules.rule import InputRule
from llm_integrations.serving.shapes import Answer, Parsed, Shape
from llm_integrations.serving.shapes.failure import Refused, bad_request, unavailable

__all__ = ["judge_answer", "judge_answers", "judge_request"]

log = get_logger(__name__)


def judge_request(
    side: InputRule, shape: Shape, plan: Plan, request: Any, verdicts: Verdicts
) -> None:
    """Judge and count what the plan wants to be judged of a request.

    Raises:
        Refused: 400 for invalid data under enforce; 503 when it cannot be judged and must be.
    """
    for check, validator in plan.inputs:
        for piece in check.pieces(shape, request):
            verdict = judge_piece(side.judge, piece, validator)
            verdicts.add(side.judge, validator.reference, verdict, piece.path)
            if verdict.outcome != "valid":
                _act(side, piece, verdict, verdicts)
    for check, validator in plan.shadows:
        for piece in check.pieces(shape, request):
            _tell(side.shadow_judge, judge_piece(side.shadow_judge, piece, validator))
    if verdicts.invalid is not None:
        verdicts.input_done()


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
        passes = judge_answer(by, answer, verdicts) and passes
    return passes


def judge_answer(by: Answers, answer: Answer, verdicts: Verdicts) -> bool:
    """As ``judge_answers``, of one."""
    if by.rule.config.extract and isinstance(answer.content, str):
        text, used = extracted(answer.content, by.rule.config.extract)
        answer = answer._replace(content=text)
        verdicts.extracted(used)
    passes = not (answer.calls or answer.runs) or _has_schemas(by, answer, verdicts)
    judge = by.rule.judge
    for validator, value, tool in _judged(by, answer):
        try:
            if by.weights and not _is_within(by, value, tool):
                verdict = _too_dear(judge, validator)
            elif answer.cut or answer.declined or type(value) is not str:
                verdict = _judge(by, answer, validator, value)
            else:
                verdict = judge_text(judge, validator, value)
        except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
            verdict = failed(judge, error)
        verdicts.add(judge, validator.reference, verdict, (answer, tool))
        if verdict.outcome == "invalid" or (verdict is FAILED and raises(judge)):
            passes = False
    if by.shadow is not None and not answer.calls:
        _try_answer(by, answer, by.shadow)
    return passes


def _has_schemas(by: Answers, answer: Answer, verdicts: Verdicts) -> bool:
    """Whether calls without a schema let an answer pass; what nothing judges is counted."""
    judge, names = by.rule.judge, {name for name, _ in answer.calls}
    is_missing = not names.isdisjoint(by.missing)
    if is_missing:
        pass_unjudged(judge, "the schema of a tool that was not offered is not to be had")
    is_other = answer.runs or not names.issubset((*by.tools, *by.missing))
    if is_other and (by.content or by.tools):
        pass_unjudged(judge, "it calls a tool that the rule has no schema for")
        verdicts.unjudged()
        return not is_missing and by.rule.config.other_tools == "pass"
    return not is_missing


def _is_within(by: Answers, value: str | Parsed | None, tool: str) -> bool:
    """Whether judging a value by a schema of the client's is worth its price, which is paid."""
    if weight := by.weights.get(tool, 0):
        text = json.dumps(value.value) if isinstance(value, Parsed) else value or ""
        by.work -= weight * len(text)
    return by.work >= 0


def _too_dear(judge: Judge, validator: Validator) -> Verdict:
    judge.skip(validator)
    log.warning("%s output is too large to be judged by its client's schema", judge.module)
    return FAILED


def _try_answer(by: Answers, answer: Answer, validator: Validator) -> None:
    """Judge by the version that is tried. It has no other effect than a count and a log line."""
    tried = replace(by, rule=replace(by.rule, judge=by.rule.shadow_judge))
    try:
        _tell(by.rule.shadow_judge, _judge(tried, answer, validator, answer.content))
    except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
        failed(by.rule.shadow_judge, error)


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
        return judge_text(judge, validator, value)
    if value is None:
        return judge.refuse(validator, "there is no text")
    return judge.judge_by(validator, value.value)
