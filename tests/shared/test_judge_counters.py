"""Verdicts are counted as the library counts, without what it asks at each call."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from llm_integrations.core.judge.counters import _counting, _observing

BOUNDS = (0.001, 0.01, 1.0)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.0011, 0.01, 0.5, 1.0, 99.0, -1.0])
def test_a_duration_is_in_the_same_bucket(seconds: float) -> None:
    ours, theirs = (
        Histogram("seconds", "?", ["side"], registry=CollectorRegistry(), buckets=BOUNDS)
        for _ in range(2)
    )
    _observing(ours.labels("input"))(seconds)
    theirs.labels("input").observe(seconds)
    found = [
        [
            (s.name, s.labels, s.value)
            for m in each.collect()
            for s in m.samples
            if "created" not in s.name
        ]
        for each in (ours, theirs)
    ]
    assert found[0] == found[1]


def test_a_count_is_one_more() -> None:
    counter = Counter("pieces", "?", ["side"], registry=CollectorRegistry()).labels("input")
    count = _counting(counter)
    count()
    count()
    counter.inc(3)
    assert counter._value.get() == 5


def test_where_the_library_keeps_them_otherwise_its_own_are_called() -> None:
    class Child:
        def inc(self) -> None: ...

        def observe(self, seconds: float) -> None: ...

    child = Child()
    assert _counting(child) == child.inc
    assert _observing(child) == child.observe
