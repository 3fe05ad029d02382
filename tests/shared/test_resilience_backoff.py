"""How long is waited before another try."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.resilience.backoff import backoff

SECONDS = st.floats(min_value=0.0, max_value=1e6)


def test_the_bound_doubles_up_to_the_cap_and_the_whole_range_is_used() -> None:
    for attempt, bound in [(1, 0.1), (2, 0.2), (3, 0.4), (6, 2.0), (10_000, 2.0)]:
        waits = [backoff(attempt, base=0.1, cap=2.0) for _ in range(300)]
        assert 0 <= min(waits) < bound * 0.1
        assert bound * 0.9 < max(waits) <= bound


@given(attempt=st.integers(), base=SECONDS, cap=SECONDS, floor=SECONDS)
def test_no_wait_is_shorter_than_the_floor_or_longer_than_the_cap(
    attempt: int, base: float, cap: float, floor: float
) -> None:
    assert floor <= backoff(attempt, base=base, cap=cap, floor=floor) <= max(floor, cap)
