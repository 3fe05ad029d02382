"""How properties are searched: the same examples in every run, and no clock."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

_UNHURRIED = [HealthCheck.too_slow]
"""A machine that is busy with other things says nothing about a property."""

settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    max_examples=50,
    print_blob=True,
    suppress_health_check=_UNHURRIED,
)
settings.register_profile(
    "search", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=_UNHURRIED
)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def one_environment() -> Iterator[None]:
    """``datasets`` leaves a copy of the environment after a map of several processes, which
    whoever has taken hold of the environment before does not see change."""
    environment = os.environ
    yield
    os.environ = environment  # noqa: B003 - this is the real one


@pytest.fixture(autouse=True, scope="module")
def garbage_under_its_marks(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a module that ignores warnings leaves behind does not warn in the next one."""
    yield
    if request.node.get_closest_marker("filterwarnings"):
        gc.collect()


_LONGEST = [
    "test_vllm",
    "test_notebooks",
    "test_evolution_bounds",
    "test_llamaindex_processes",
    "test_demo",
    "test_events_kafka",
    "test_cli",
    "test_validation_bounds",
    "test_arrow_bounds",
    "test_datasets_validate",
    "test_events_cache_follows",
    "test_inspect_ai",
    "test_webhooks_faults",
    "test_evolution_unions",
    "test_registry_listing",
    "test_datasets_drift",
    "test_drift_looks",
]
"""A long file that comes last is waited for by idle workers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    """The modules of the frameworks are not looked through at each collection of garbage."""
    gc.collect()
    gc.freeze()
