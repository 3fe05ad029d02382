"""How properties are searched: the same examples in every run, and no clock."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

_UNHURRIED = [HealthCheck.too_slow]
"""A machine that is busy with other things says nothing about a property."""

settings.register_profile(
    "same", deadline=None, derandomize=True, print_blob=True, suppress_health_check=_UNHURRIED
)
settings.register_profile(
    "search", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=_UNHURRIED
)
settings.load_profile("same")


def pytest_collection_finish() -> None:
    """The modules of the frameworks are not looked through at each collection of garbage."""
    gc.collect()
    gc.freeze()
