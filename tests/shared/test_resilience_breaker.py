"""The circuit breaker, and each thing that pybreaker does otherwise."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import CircuitOpen
from llm_integrations.core.resilience.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("http://registry", BreakerOptions(failures=3, reset_timeout=30.0), clock=clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.admit().failed()


def state(breaker: Breaker) -> str:
    return breaker.state


def metric(target: str) -> float | None:
    return REGISTRY.get_sample_value("llm_integrations_circuit_breaker_state", {"target": target})


def test_it_opens_after_that_many_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert state(breaker) == "closed"
    fail(breaker)
    assert state(breaker) == "open"


def test_a_success_in_between_starts_the_count_again(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.admit().succeeded()
    fail(breaker, 2)
    assert state(breaker) == "closed"


def test_open_it_refuses_and_says_when_to_come_back(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    with pytest.raises(CircuitOpen, match=r"not tried again for 20\.0 s") as caught:
        breaker.admit()
    assert caught.value.retry_after == pytest.approx(20.0)
    assert not caught.value.retryable


def test_half_open_lets_exactly_one_probe_through(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert state(breaker) == "half-open"
    probe = breaker.admit()
    assert probe.is_probe
    for _ in range(3):
        with pytest.raises(CircuitOpen):
            breaker.admit()
    probe.succeeded()
    assert state(breaker) == "closed"
    assert not breaker.admit().is_probe


def test_a_failed_probe_opens_it_for_the_whole_pause_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    fail(breaker)
    assert state(breaker) == "open"
    clock.now += 29
    assert state(breaker) == "open"
    clock.now += 1
    assert state(breaker) == "half-open"


def test_a_probe_without_outcome_leaves_the_place_to_the_next(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now += 30
    breaker.admit().release()
    assert state(breaker) == "half-open"
    assert breaker.admit().is_probe


async def test_a_cancelled_call_is_neither_failure_nor_success(breaker: Breaker) -> None:
    async def call() -> None:
        with breaker.attempt():
            await asyncio.sleep(3600)

    fail(breaker, 2)
    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert state(breaker) == "closed"
    fail(breaker)
    assert state(breaker) == "open", "the cancelled call did not start the count again either"


def test_an_outcome_counts_once(breaker: Breaker) -> None:
    with breaker.attempt() as permit:
        for _ in range(5):
            permit.failed()
    assert state(breaker) == "closed"


def test_calls_that_set_out_before_it_opened_say_nothing_about_now(
    breaker: Breaker, clock: Clock
) -> None:
    late_failure, late_success = breaker.admit(), breaker.admit()
    fail(breaker, 3)
    late_success.succeeded()
    assert state(breaker) == "open"
    clock.now += 30
    breaker.admit().succeeded()
    fail(breaker, 2)
    late_failure.failed()
    assert state(breaker) == "closed"


def test_calls_run_side_by_side(breaker: Breaker) -> None:
    together = threading.Barrier(8, timeout=60)

    def call() -> None:
        with breaker.attempt() as permit:
            together.wait()  # would time out if one call waited for another
            permit.succeeded()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(call) for _ in range(8)]:
            done.result()


def test_of_many_threads_one_gets_the_probe(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    together = threading.Barrier(16, timeout=60)

    def ask() -> bool:
        together.wait()
        try:
            return breaker.admit().is_probe
        except CircuitOpen:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: ask(), range(16))) == 1


def test_the_error_of_the_call_stays_what_it_was(breaker: Breaker) -> None:
    def call() -> None:
        with breaker.attempt() as permit:
            permit.failed()
            raise KeyError("mine")

    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            call()
    assert state(breaker) == "open"


def test_its_state_is_a_metric(clock: Clock) -> None:
    breaker = Breaker("metric-target", BreakerOptions(failures=1), clock=clock)
    assert metric("metric-target") == 0
    fail(breaker)
    assert metric("metric-target") == 2
    clock.now += 30
    probe = breaker.admit()
    assert metric("metric-target") == 1
    probe.succeeded()
    assert metric("metric-target") == 0


def test_opening_is_logged_once(breaker: Breaker, caplog: pytest.LogCaptureFixture) -> None:
    fail(breaker, 2)
    assert not caplog.records
    fail(breaker)
    [record] = caplog.records
    assert "http://registry is open for 30 s after 3 failures" in record.getMessage()
    assert record.__dict__["llmi_target"] == "http://registry"


@pytest.mark.no_cover  # a child that is forked while coverage holds its lock never ends
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_waits_for_the_lock_and_frees_the_probe(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    breaker.admit()  # a probe whose outcome only the parent will learn
    holding, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with breaker.lock:
            holding.set()
            leave.wait(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if breaker.admit().is_probe else 1)
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(CircuitOpen):
        breaker.admit()
