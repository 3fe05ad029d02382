"""Deciding after an attempt: the delivery is done, tried again later, or given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from llm_integrations.core.resilience.backoff import backoff
from llm_integrations.core.webhooks.config import WebhookConfig

__all__ = ["Answer", "Health", "Verdict", "judge"]

Health = Literal["good", "bad", "unknown"]
"""What an attempt tells the circuit breaker about the endpoint."""

_LATER: Final = frozenset({408, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt ended: an HTTP status, or the reason why there is none.

    ``final`` marks a failure that no further attempt can mend (a refused address); without
    ``ran`` nothing was tried, so that it costs no attempt.
    """

    status: int | None = None
    retry_after: float | None = None
    failure: str = ""
    final: bool = False
    ran: bool = True

    @property
    def reason(self) -> str:
        return self.failure or f"HTTP {self.status}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision. ``wait`` is the seconds until the next attempt, where there is one.

    ``counts`` is whether this one was one of those that ``max_retries`` allows.
    """

    outcome: Literal["delivered", "retry", "dead"]
    health: Health
    reason: str = ""
    wait: float = 0.0
    counts: bool = True


def judge(answer: Answer, attempt: int, config: WebhookConfig) -> Verdict:
    """Decide after the attempt with this number (from 1).

    Redirects are not followed, and neither they nor 4xx (but 408 and 429) get better by asking
    again. Such an answer shows the breaker a live endpoint; 408 and 429 show nothing.
    """
    if not answer.ran:
        wait = _wait(answer, attempt, config)
        return Verdict("retry", "unknown", answer.reason, wait, counts=False)
    status = answer.status
    if status is not None and 200 <= status < 300:
        return Verdict("delivered", "good")
    health: Health = "bad"
    if status is not None and status < 500:
        health = "unknown" if status in _LATER else "good"
    if answer.final:
        return Verdict("dead", "unknown", answer.reason)
    if health == "good":
        return Verdict("dead", health, answer.reason)
    if attempt > config.max_retries:
        return Verdict("dead", health, f"{answer.reason} after {attempt} attempts")
    return Verdict("retry", health, answer.reason, _wait(answer, attempt, config))


def _wait(answer: Answer, attempt: int, config: WebhookConfig) -> float:
    wait = backoff(attempt, base=config.backoff_secs, cap=config.max_backoff_secs)
    if answer.retry_after is None:
        return wait
    return max(wait, min(answer.retry_after, config.max_retry_after_secs))
