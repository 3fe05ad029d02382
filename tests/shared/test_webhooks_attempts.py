"""What an answer means for a delivery."""

from __future__ import annotations

import pytest

from llm_integrations.core.webhooks.config import WebhookConfig
from llm_integrations.core.webhooks.sending.attempts import Answer, judge

CONFIG = WebhookConfig("https://rag.example.com/hooks")


def longest(low: float, high: float) -> float:
    assert low == 0.0  # full jitter
    return high


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


def test_waits_grow_from_half_a_second_to_five_with_full_jitter() -> None:
    config = WebhookConfig(CONFIG.url, max_retries=2000)
    waits = [judge(Answer(500), n, config, longest).wait for n in (1, 2, 3, 4, 5, 6, 1999)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    drawn = {judge(Answer(500), 3, CONFIG).wait for _ in range(50)}
    assert len(drawn) > 40
    assert all(0 <= wait <= 2 for wait in drawn)


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.5), (30.0, 30.0), (1e9, 3600.0)])
def test_retry_after_is_honoured_up_to_a_limit(asked: float, waited: float) -> None:
    assert judge(Answer(429, retry_after=asked), 1, CONFIG, longest).wait == waited
