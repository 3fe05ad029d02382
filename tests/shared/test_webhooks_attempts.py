"""What an answer means for a delivery."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.registry.http.exchange import retry_after
from llm_integrations.core.webhooks.config import WebhookConfig
from llm_integrations.core.webhooks.sending.attempts import Answer, judge

CONFIG = WebhookConfig("https://rag.example.com/hooks")


def longest(low: float, high: float) -> float:
    assert low == 0.0  # full jitter
    return high


@pytest.fixture
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait is as long as it can get."""
    monkeypatch.setattr(random, "uniform", longest)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_an_acknowledgement(status: int) -> None:
    verdict = judge(Answer(status), 1, CONFIG)
    assert (verdict.outcome, verdict.health) == ("delivered", "good")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_5xx_is_tried_again_and_counts_against_the_endpoint(status: int) -> None:
    verdict = judge(Answer(status), 1, CONFIG)
    assert (verdict.outcome, verdict.health, verdict.reason) == ("retry", "bad", f"HTTP {status}")


@pytest.mark.parametrize("status", [408, 429])
def test_408_and_429_are_tried_again_and_say_nothing_about_the_endpoint(status: int) -> None:
    verdict = judge(Answer(status), 1, CONFIG)
    assert (verdict.outcome, verdict.health) == ("retry", "unknown")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422, 425, 301, 302, 307, 308])
def test_other_4xx_and_redirects_are_given_up_but_the_endpoint_is_alive(status: int) -> None:
    verdict = judge(Answer(status), 1, CONFIG)
    assert (verdict.outcome, verdict.health) == ("dead", "good")


def test_no_answer_is_tried_again() -> None:
    verdict = judge(Answer(failure="timed out"), 1, CONFIG)
    assert (verdict.outcome, verdict.health, verdict.reason) == ("retry", "bad", "timed out")


def test_a_refused_address_is_given_up_at_once() -> None:
    verdict = judge(Answer(failure="refused", final=True), 1, CONFIG)
    assert (verdict.outcome, verdict.health) == ("dead", "unknown")


def test_three_retries_are_four_attempts() -> None:
    outcomes = [judge(Answer(500), attempt, CONFIG).outcome for attempt in (1, 2, 3, 4)]
    assert outcomes == ["retry", "retry", "retry", "dead"]
    assert judge(Answer(500), 4, CONFIG).reason == "HTTP 500 after 4 attempts"


def test_waits_grow_from_half_a_second_to_five_with_full_jitter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = WebhookConfig(CONFIG.url, max_retries=2000)
    with monkeypatch.context() as context:
        context.setattr(random, "uniform", longest)
        waits = [judge(Answer(500), n, config).wait for n in (1, 2, 3, 4, 5, 6, 1999)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    drawn = {judge(Answer(500), 3, CONFIG).wait for _ in range(50)}
    assert len(drawn) > 40
    assert all(0 <= wait <= 2 for wait in drawn)


@pytest.mark.usefixtures("no_chance")
@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.5), (30.0, 30.0), (1e9, 3600.0)])
def test_retry_after_is_honoured_up_to_a_limit(asked: float, waited: float) -> None:
    assert judge(Answer(429, retry_after=asked), 1, CONFIG).wait == waited


@pytest.mark.usefixtures("no_chance")
def test_an_attempt_that_never_ran_costs_none_and_says_nothing_of_the_endpoint() -> None:
    verdict = judge(Answer(failure="look-ups hang", ran=False), 99, CONFIG)
    assert (verdict.outcome, verdict.health, verdict.counts) == ("retry", "unknown", False)
    assert 0 < verdict.wait <= CONFIG.max_backoff_secs


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1" * 310, 86_400.0),
        ("9" * 100_000, 86_400.0),
        ("9" * 400 + ".5", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 -1400", 86_400.0),
        ("Thu, 01 Jan 1970 00:00:00 +1400", 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("1e400", None),
        ("inf", None),
        ("nan", None),
        ("-1", None),
        ("\u0663", None),
        ("", None),
        (",", None),
        ("3", 3),
    ],
)
def test_a_retry_after_can_be_waited_for(header: str, seconds: float | None) -> None:
    assert retry_after(header, 0.0) == seconds
    wait = judge(Answer(503, retry_after=retry_after(header, 0.0)), 1, CONFIG).wait
    assert 0 <= wait <= CONFIG.max_retry_after_secs


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ [\d:]+ \S*"))
def test_whatever_a_retry_after_says_it_is_a_number_or_nothing(header: str) -> None:
    seconds = retry_after(header, 0.0)
    assert seconds is None or 0 <= seconds <= 86_400.0
