"""When a call is tried again."""

from __future__ import annotations

import asyncio
import time

import pytest

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import (
    CircuitOpen,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailable,
)
from llm_integrations.core.resilience.retry import is_retryable, next_wait, retrying

QUICK = RetryOptions(attempts=3, base=0.001, cap=0.002, deadline=5.0)


class Failing:
    """Raises the errors in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0

    async def __call__(self) -> str:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RegistryUnavailable("503"), True),
        (RegistryUnavailable("501", retryable=False), False),
        (CircuitOpen("open"), False),
        (RegistryAuthError("401"), False),
        (ValueError(), False),
    ],
)
def test_only_what_can_succeed_later_is_tried_again(error: Exception, expected: bool) -> None:
    assert is_retryable(error) is expected


def test_waits_are_jittered_fully_under_a_doubling_bound_up_to_the_cap() -> None:
    options = RetryOptions(base=0.1, cap=2.0)
    for attempt, bound in [(1, 0.1), (2, 0.2), (3, 0.4), (6, 2.0), (500, 2.0)]:
        waits = [next_wait(options, attempt, RegistryUnavailable("x")) for _ in range(300)]
        assert 0 <= min(waits) < bound * 0.1
        assert bound * 0.9 < max(waits) <= bound


def test_retry_after_is_a_minimum_even_beyond_the_cap() -> None:
    error = RegistryUnavailable("429", retry_after=7.0)
    waits = [next_wait(RetryOptions(base=0.1, cap=2.0), 1, error) for _ in range(50)]
    assert all(7.0 <= wait <= 7.1 for wait in waits)


async def test_it_stops_at_the_first_answer() -> None:
    call = Failing(RegistryUnavailable("503"))
    assert await retrying(call, QUICK) == "answer"
    assert call.attempts == 2


async def test_the_last_error_is_the_one_that_gets_out() -> None:
    call = Failing(*(RegistryUnavailable(f"failure {n}") for n in range(5)))
    with pytest.raises(RegistryUnavailable, match="failure 2"):
        await retrying(call, QUICK)
    assert call.attempts == 3


async def test_what_cannot_succeed_later_ends_it_at_once() -> None:
    call = Failing(RegistryAuthError("401"))
    with pytest.raises(RegistryAuthError):
        await retrying(call, QUICK)
    assert call.attempts == 1


async def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once() -> None:
    call = Failing(RegistryUnavailable("429", retry_after=60.0))
    started = time.monotonic()
    with pytest.raises(RegistryUnavailable, match="429") as caught:
        await retrying(call, RetryOptions(attempts=3, deadline=50.0))
    assert time.monotonic() - started < 30
    assert call.attempts == 1
    assert caught.value.retry_after == 60.0


async def test_a_retry_after_within_the_deadline_is_waited_for() -> None:
    call = Failing(RegistryUnavailable("429", retry_after=0.1))
    started = time.monotonic()
    assert await retrying(call, QUICK) == "answer"
    assert time.monotonic() - started >= 0.1


async def test_one_deadline_bounds_all_attempts() -> None:
    attempts = 0

    async def slow() -> None:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0.08)
        raise RegistryUnavailable("slow")

    options = RetryOptions(attempts=100, base=0.0, cap=0.0, deadline=0.2)
    with pytest.raises(RegistryUnavailable):
        await retrying(slow, options)
    assert attempts <= 3


async def test_an_attempt_that_never_ends_is_cut_at_the_deadline() -> None:
    async def hang() -> None:
        await asyncio.sleep(3600)

    with pytest.raises(RegistryUnavailable, match=r"within the deadline of 0\.05 s"):
        await retrying(hang, RetryOptions(deadline=0.05))


async def test_cancelling_it_is_no_error_of_ours() -> None:
    async def hang() -> None:
        await asyncio.sleep(3600)

    task = asyncio.create_task(retrying(hang, QUICK))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_foreign_errors_pass_unchanged() -> None:
    with pytest.raises(ZeroDivisionError):
        await retrying(Failing(ZeroDivisionError()), QUICK)
    assert not issubclass(ZeroDivisionError, RegistryError)
