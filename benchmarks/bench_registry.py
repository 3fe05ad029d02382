"""The registry client beside confluent-kafka's, on one server that both ask over a socket."""

from __future__ import annotations

import asyncio
import logging
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from confluent_kafka.schema_registry import AsyncSchemaRegistryClient, SchemaRegistryClient

from benchmarks.harness import Row, Section, median_seconds
from llm_integrations.core.config import CacheOptions
from llm_integrations.core.registry import Registry, connect
from tests.support.registry_server import RegistryServer, hanging, registry_server

SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
PEER_TTL = 300.0
READS = 20_000


@contextmanager
def served() -> Iterator[RegistryServer]:
    with registry_server() as server:
        server.add("user-profile", SCHEMA)
        yield server


def peer(server: RegistryServer, **options: Any) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": server.url, **options})


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"


def hot(section: Section) -> None:
    with served() as server, connect(server.url) as registry:
        client = peer(server, **{"cache.latest.ttl.sec": PEER_TTL})
        registry.validator("user-profile@latest")
        client.get_latest_version("user-profile")
        calls: dict[str, Callable[[], object]] = {
            "cached `registry.get`": lambda: registry.get("user-profile@latest"),
            "cached `registry.validator`": lambda: registry.validator("user-profile@latest"),
        }
        # Turn by turn, so that a busy moment of the machine hits both.
        rounds = [
            [median_seconds(call, number=20_000, repeats=1) for call in calls.values()]
            + [
                median_seconds(
                    lambda: client.get_latest_version("user-profile"), number=20_000, repeats=1
                )
            ]
            for _ in range(9)
        ]
        *ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
        for name, mine in zip(calls, ours, strict=True):
            section.add(
                Row(
                    name,
                    microseconds(mine),
                    f"{microseconds(theirs)} (cached latest with a TTL)",
                    f"{theirs / mine:.1f}× faster",
                    "faster than the peer",
                    mine < theirs,
                )
            )
        section.add(
            Row("cached `await registry.aio.get`", microseconds(asyncio.run(awaited(registry))))
        )


async def awaited(registry: Registry) -> float:
    async def loop(times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            await registry.aio.get("user-profile@latest")
        return (time.perf_counter() - started) / times

    return statistics.median([await loop(READS) for _ in range(7)])


def in_threads(call: Callable[[], object], count: int) -> None:
    together = threading.Barrier(count)

    def one() -> None:
        together.wait()
        call()

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(one) for _ in range(count)]:
            done.result()


def cold(section: Section) -> None:
    with served() as server, connect(server.url, timeout=30.0) as registry:
        in_threads(lambda: registry.get("user-profile"), 100)
        ours = len(server.requests)
        client = peer(server, timeout=30.0)
        in_threads(lambda: client.get_latest_version("user-profile"), 100)
        theirs = len(server.requests) - ours
        add_requests(section, "100 threads on one cold key", ours, theirs)
    with served() as server, connect(server.url, timeout=30.0) as registry:

        async def ask_us() -> None:
            await asyncio.gather(*(registry.aio.get("user-profile") for _ in range(1000)))

        async def ask_the_peer() -> None:
            client = AsyncSchemaRegistryClient({"url": server.url, "timeout": 30.0})
            calls = (client.get_latest_version("user-profile") for _ in range(1000))
            await asyncio.gather(*calls, return_exceptions=True)

        asyncio.run(ask_us())
        ours = len(server.requests)
        asyncio.run(ask_the_peer())
        add_requests(section, "1,000 tasks on one cold key", ours, len(server.requests) - ours)


def add_requests(section: Section, what: str, ours: int, theirs: int) -> None:
    section.add(
        Row(
            what,
            f"{ours} request{'s' if ours != 1 else ''}",
            f"{theirs} requests",
            f"{theirs / ours:.0f}× fewer",
            "exactly 1",
            ours == 1,
        )
    )


def outage(section: Section, kind: str, stop: Callable[[RegistryServer], None]) -> None:
    # What is stale is served; only the lifetime of a fresh copy is shortened for the measurement.
    short = CacheOptions(ttl=0.05)
    with served() as server, connect(server.url, cache=short) as registry:
        client = peer(server, **{"cache.latest.ttl.sec": 0.05, "timeout": 5.0})
        registry.get("user-profile")
        client.get_latest_version("user-profile")
        time.sleep(0.1)
        stop(server)
        times, errors = read_for(registry, seconds=6.0)
        theirs = time_of_failure(client)
    p99 = statistics.quantiles(times, n=100)[98]
    section.add(
        Row(
            f"registry {kind} after the cache went stale: {len(times):,} reads in 6 s",
            f"{errors} errors, p99 {microseconds(p99)}, worst {max(times) * 1e3:.1f} ms",
            theirs,
            "",
            "0 errors, p99 under 1 ms",
            errors == 0 and p99 < 1e-3,
        )
    )


def read_for(registry: Registry, seconds: float) -> tuple[list[float], int]:
    times, errors = [], 0
    end = time.perf_counter() + seconds  # longer than the pause between two refreshes
    while (started := time.perf_counter()) < end:
        try:
            registry.get("user-profile")
        except Exception:
            errors += 1
        times.append(time.perf_counter() - started)
        time.sleep(0.0002)
    return times, errors


def time_of_failure(client: SchemaRegistryClient) -> str:
    started = time.perf_counter()
    try:
        client.get_latest_version("user-profile")
    except Exception as error:
        return f"{type(error).__name__} after {time.perf_counter() - started:.1f} s"
    return "answered"


def imports(section: Section) -> None:
    script = (
        "import sys, time; began = time.perf_counter(); import llm_integrations.core.registry; "
        "print(time.perf_counter() - began, "
        "sum(name in sys.modules for name in ('pyarrow', 'aiokafka', 'langchain_core')))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(9)
    ]
    # The best, not the median: what else the machine does can only add to a fresh process's start.
    seconds = min(float(run.stdout.split()[0]) for run in runs)
    heavy = int(runs[0].stdout.split()[1])
    peers = [
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import time; began = time.perf_counter(); import confluent_kafka.schema_registry;"
                "print(time.perf_counter() - began)",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(9)
    ]
    theirs = min(float(run.stdout) for run in peers)
    section.add(
        Row(
            "`import llm_integrations.core.registry` (best of 9)",
            f"{seconds * 1e3:.0f} ms, {heavy} of pyarrow, brokers, frameworks",
            f"{theirs * 1e3:.0f} ms",
            f"{theirs / seconds:.1f}×",
            "under 150 ms, none of them",
            seconds < 0.150 and heavy == 0,
        )
    )


def run() -> list[Section]:
    logging.getLogger("llm_integrations").setLevel(logging.ERROR)  # outages are the point here
    section = Section(
        "Registry client",
        "Peer: confluent-kafka's SchemaRegistryClient (`[schemaregistry]`), in the same process "
        "against the same server on a socket. Ours counts each hit in a metric.",
    )
    hot(section)
    cold(section)
    outage(section, "killed", RegistryServer.kill)
    outage(section, "hanging", lambda server: setattr(server, "fault", hanging))
    imports(section)
    return [section]
