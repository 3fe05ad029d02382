"""When to try again: a policy for tenacity, with Retry-After and one deadline over everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.core.resilience.backoff import backoff

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["is_retryable", "next_wait", "retrying"]

T = TypeVar("T")


def is_retryable(error: BaseException) -> bool:
    """Whether another attempt can succeed."""
    return isinstance(error, RegistryUnavailable) and error.retryable


def next_wait(options: RetryOptions, attempt: int, error: BaseException | None) -> float:
    """Seconds to wait after the failed attempt with this number (from 1).

    Full jitter up to the exponential bound; where the server named a time, that time and a jitter
    of the first bound on top, so that its clients do not return all at once.
    """
    if isinstance(error, RegistryUnavailable) and error.retry_after is not None:
        return max(0.0, error.retry_after) + backoff(1, base=options.base, cap=options.base)
    return backoff(attempt, base=options.base, cap=options.cap)


async def retrying(attempt: Callable[[], Awaitable[T]], options: RetryOptions) -> T:
    """Call ``attempt`` until it succeeds, cannot succeed, or its attempts or time are used up.

    Raises:
        RegistryUnavailable: when the deadline cuts an attempt off.
        Exception: otherwise what the last attempt raised.
    """
    from tenacity import AsyncRetrying, retry_if_exception

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return next_wait(options, state.attempt_number, error)

    def stop(state: RetryCallState) -> bool:
        spent = state.seconds_since_start or 0.0
        # A wait that ends after the deadline is not begun: the answer would come too late.
        return (
            state.attempt_number >= options.attempts
            or spent + state.upcoming_sleep >= options.deadline
        )

    async def once() -> T:  # tenacity awaits what is declared async, not what a lambda returns
        return await attempt()

    policy = AsyncRetrying(
        wait=wait,
        stop=stop,
        retry=retry_if_exception(is_retryable),
        sleep=asyncio.sleep,
        reraise=True,
    )
    try:
        async with asyncio.timeout(options.deadline):
            return await policy(once)
    except TimeoutError:
        raise RegistryUnavailable(
            f"no answer within the deadline of {options.deadline:g} s", retryable=False
        ) from None
