"""The long run of tests/adapters/test_serving_fuzz.py: 50,000 exchanges."""

from __future__ import annotations

import pytest

from tests.adapters.test_serving_fuzz import run

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


@pytest.mark.parametrize("mode", ["warn", "enforce"])
async def test_nothing_is_lost_or_changed_whatever_comes(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", logger="llm_integrations")
    tally = await run(mode, 25_000, seed=6)
    assert tally["passed"] > 5000
    assert (tally["ours"] > 1000) is (mode == "enforce")
