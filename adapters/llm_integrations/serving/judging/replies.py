"""A whole reply: its answers, and the parts of it that have schemas of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from llm_integrations.serving.judging.judging import judge_answer, judge_answers
from llm_integrations.serving.judging.pieces import judge_parts, parts_of
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.rules.checks import REQUIRED
from llm_integrations.serving.rules.plan import Answers
from llm_integrations.serving.shapes import Answer

__all__ = ["judge_reply"]


def judge_reply(
    by: Answers, reply: Any, answers: Sequence[Answer], verdicts: Verdicts
) -> tuple[bool, Any]:
    """Judge and count what a reply holds.

    Returns:
        Whether it may go out, and what is left of it where choices were dropped; else None.
    """
    parts = list(parts_of(by, reply)) if by.checks else []
    if any(answer.declined for answer in answers):
        parts = [part for part in parts if part.piece.problem != REQUIRED]
    if not by.rule.drops_choices:
        passes = judge_answers(by, answers, verdicts)
        return judge_parts(by, parts, verdicts) and passes, None

    def judge(answer: Answer) -> bool:
        own = (part for part in parts if part.number == answer.number)
        passes = judge_answer(by, answer, verdicts)
        return judge_parts(by, own, verdicts) and passes

    dropped = [a.number for a in answers if not verdicts.dropping(partial(judge, a))]
    left = by.shape.without(reply, dropped) if dropped else None
    passes = judge_parts(by, (part for part in parts if part.number is None), verdicts)
    return passes and (not dropped or left is not None), left
