"""Whether LangChain runs a handler on the event loop: one answer for the whole of a run.

LangChain asks for ``run_inline`` twice for each event, once to pick the handlers that run inline
and once for the others. An answer that turned from no to yes between the two would skip the event,
and let invalid data through. So an answer is kept in the context of the run until the run is over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["forget_answer", "steady_answer"]

_answers: ContextVar[dict[int, bool] | None] = ContextVar("llm_integrations_inline", default=None)


def steady_answer(handler: object, decide: Callable[[], bool]) -> bool:
    """The run's answer for this handler; ``decide`` gives it the first time."""
    answers = _answers.get()
    if answers is None:
        answers = {}
        _answers.set(answers)
    if id(handler) not in answers:
        answers[id(handler)] = decide()
    return answers[id(handler)]


def forget_answer(handler: object) -> None:
    """Drop a finished run's answer, which its worker threads share."""
    answers = _answers.get()
    if answers is not None:
        answers.pop(id(handler), None)
