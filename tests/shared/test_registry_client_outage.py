"""A registry that goes away after the cache went stale: no error, and nobody waits."""

from __future__ import annotations

import statistics
import time

import pytest
from prometheus_client import REGISTRY

from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.registry_server import RegistryServer, hanging

__all__ = ["connected", "server"]


@pytest.mark.parametrize("outage", ["killed", "hanging"])
def test_a_thousand_stale_reads_during_an_outage(
    server: RegistryServer, connected: Connect, outage: str
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.01, "refresh_pause": 0.02}, timeout=0.2)
    copy, validator = registry.get("s"), registry.validator("s")
    if outage == "killed":
        server.kill()
    else:
        server.fault = hanging
    time.sleep(0.02)
    times = []
    for _ in range(2000):
        started = time.perf_counter()
        assert registry.get("s") is copy
        assert registry.validator("s") is validator
        times.append((time.perf_counter() - started) / 2)
    # 1 ms is the aim, and measured by the benchmark; a test must also pass on a busy machine.
    assert statistics.quantiles(times, n=100)[98] < 0.005
    served = REGISTRY.get_sample_value(
        "llm_integrations_cache_stale_total", {"registry": server.url}
    )
    assert served is not None
    assert served >= 4000


async def test_tasks_do_not_wait_either(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0}).aio
    copy = await registry.get("s")
    server.kill()
    started = time.perf_counter()
    for _ in range(100):
        assert await registry.get("s") is copy
    assert time.perf_counter() - started < 0.5
