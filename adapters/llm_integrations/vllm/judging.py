"""Judging an answer: its text, and the arguments of its tool calls."""

from __future__ import annotations

from collections.abc import Sequence

from llm_integrations.core.judge import Verdict
from llm_integrations.core.validation import Validator
from llm_integrations.vllm.guard import FAILED, failed
from llm_integrations.vllm.jsontext import judge_text
from llm_integrations.vllm.plan import Answers
from llm_integrations.vllm.resolve import raises
from llm_integrations.vllm.shapes import Answer, Parsed
from llm_integrations.vllm.verdicts import Verdicts

__all__ = ["judge_answers"]


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
            if not verdict or (verdict is FAILED and raises(by.rule.judge)):
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
    if isinstance(value, Parsed):
        return judge.judge_by(validator, value.value)
    if value is None:
        return judge.refuse(validator, "there is no text")
    return judge_text(judge, validator, value)
