"""When to try again: by backoff or Retry-After, under one deadline for all attempts."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.core.resilience.backoff import backoff

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
    started = time.monotonic()
    try:
        async with asyncio.timeout(options.deadline):
            for number in itertools.count(1):
                try:
                    return await attempt()
                except RegistryUnavailable as error:
                    wait = next_wait(options, number, error)
                    # A wait that ends after the deadline is not begun: the answer would be late.
                    late = time.monotonic() - started + wait >= options.deadline
                    if not is_retryable(error) or number >= options.attempts or late:
                        raise
                await asyncio.sleep(wait)
    except TimeoutError:
        raise RegistryUnavailable(
            f"no answer within the deadline of {options.deadline:g} s", retryable=False
        ) from None
    raise AssertionError("unreachable: the loop above has no end")
