"""Fixtures for tests of the registry client: import what a test module needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm_integrations.core.config import BreakerOptions, CacheOptions, RetryOptions
from llm_integrations.core.registry import Registry, connect
from tests.support.registry_server import RegistryServer, registry_server

__all__ = ["OBJECT", "QUICK", "Connect", "connected", "elsewhere", "server"]

OBJECT: dict[str, Any] = {"type": "object"}
QUICK = RetryOptions(attempts=2, base=0.001, cap=0.002, deadline=5.0)

Connect = Callable[..., Registry]


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with registry_server() as running:
        yield running


@pytest.fixture
def connected(server: RegistryServer) -> Iterator[Connect]:
    """``connected(**options)``: a client of the server with quick retries, closed at the end."""
    made: list[Registry] = []

    def make(**options: Any) -> Registry:
        options.setdefault("retry", QUICK)
        options.setdefault("timeout", 2.0)
        options.setdefault("breaker", BreakerOptions(failures=1000))
        if "cache" in options and isinstance(options["cache"], dict):
            options["cache"] = CacheOptions(**options["cache"])
        made.append(connect(server.url, **options))
        return made[-1]

    yield make
    for registry in made:
        registry.close()


def elsewhere(registry: Registry) -> Registry:
    """Another client of the same registry, as another process has one: with a cache of its own."""
    memory = registry._service.registry.backend if registry.settings.is_memory else None
    return Registry(registry.settings.for_pickling(), memory)
