# ruff: noqa: PTH123, PTH208 - by hand one would write it so, and it is faster
"""Registries of many subjects: a folder beside reading its files by hand, and a server's long list.

Environment: BENCH_SUBJECTS (10,000 in the folder) and BENCH_LISTED (50,000 over HTTP).
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.harness import Row, Section
from llm_integrations.core.events import EventListener, FileWatchSource
from llm_integrations.core.integration import LLMModuleIntegration
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.registry import Registry, connect

SUBJECTS = int(os.environ.get("BENCH_SUBJECTS", "10000"))
LISTED = int(os.environ.get("BENCH_LISTED", "50000"))
CHANGED = 1_000
ROUNDS = 3
PAGE = 1_000  # what Confluent's server hands out at once

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id"],
    "properties": {f"field_{n}": {"type": "string", "minLength": 1} for n in range(6)},
}


def name(number: int) -> str:
    return f"com.example.subject-{number:05d}"


def fill(root: Path) -> None:
    for number in range(SUBJECTS):
        folder = root / name(number)
        folder.mkdir(parents=True)
        schema = {**SCHEMA, "title": f"number {number}"}
        (folder / "1.json").write_text(json.dumps(schema, indent=2), encoding="utf-8")
        if number % 10 == 0:
            (folder / "meta.json").write_text('{"owner": "team-a"}', encoding="utf-8")


def by_hand(root: Path) -> dict[str, Any]:
    """What one would write for this one folder: no states, no check of anything."""
    found = {}
    for folder in os.scandir(root):
        if not folder.is_dir():
            continue
        files = os.listdir(folder.path)
        newest = max(int(file[:-5]) for file in files if file[:-5].isdigit())
        with open(f"{folder.path}/{newest}.json", encoding="utf-8") as stream:
            found[folder.name] = json.load(stream)
        if "meta.json" in files:
            with open(f"{folder.path}/meta.json", encoding="utf-8") as stream:
                json.load(stream)
    return found


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def folder(section: Section, root: Path) -> None:
    def connected() -> None:
        with connect(root) as registry:
            assert registry.health()

    with connect(root) as registry:
        calls: dict[str, Callable[[], object]] = {
            "connect and `health()`": connected,
            "`subjects()`": registry.subjects,
            "`latest()`": registry.latest,
            "by hand": lambda: by_hand(root),
        }
        assert len(registry.latest()) == len(by_hand(root)) == SUBJECTS
        # Turn by turn, so that a busy moment of the machine hits all.
        rounds = [[seconds(call) for call in calls.values()] for _ in range(ROUNDS)]
    *ours, hand = (statistics.median(column) for column in zip(*rounds, strict=True))
    for what, mine in zip(calls, ours, strict=False):
        section.add(
            Row(
                what,
                f"{mine:.2f} s",
                f"{hand:.2f} s (every file read by hand)",
                f"{mine / hand:.1f}×",
                "< 2 s, ≤ 3×",
                mine < 2 and mine <= 3 * hand,
            )
        )


class Counting(LLMModuleIntegration):
    """Counts what it hears."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self.heard = 0
        self.all_heard = asyncio.Event()

    @property
    def name(self) -> str:
        return "counting"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        self.heard += 1
        if self.heard == CHANGED:
            self.all_heard.set()


async def watch(section: Section, root: Path) -> None:
    with connect(root) as registry:
        counting = Counting(registry)
        started = time.perf_counter()
        async with EventListener(registry, [counting], sources=[FileWatchSource(registry)]):
            up = time.perf_counter() - started
            await asyncio.to_thread(change, root)
            started = time.perf_counter()
            async with asyncio.timeout(120):
                await counting.all_heard.wait()
            heard = time.perf_counter() - started
    section.add(Row("`FileWatchSource` is up", f"{up:.2f} s", aim="< 3 s", met=up < 3))
    section.add(
        Row(f"the last of {CHANGED:,} changed files is heard after", f"{heard:.2f} s",
            aim="< 2 s", met=heard < 2)
    )  # fmt: skip


def change(root: Path) -> None:
    for number in range(CHANGED):
        text = json.dumps({**SCHEMA, "title": f"another {number}"})
        (root / name(number * (SUBJECTS // CHANGED)) / "2.json").write_text(text, encoding="utf-8")


class Listing(BaseHTTPRequestHandler):
    """Answers ``GET /schemas`` as Confluent's server does: in pages of a thousand."""

    protocol_version = "HTTP/1.1"
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        parts = urlsplit(self.path)
        query = {key: int(values[0]) for key, values in parse_qs(parts.query).items()
                 if key in ("offset", "limit")}  # fmt: skip
        start, limit = query.get("offset", 0), query.get("limit", -1)
        end = min(LISTED, start + (limit if 0 < limit <= PAGE else PAGE))
        body = json.dumps([listed(number) for number in range(start, end)]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing."""


def listed(number: int) -> dict[str, Any]:
    schema = json.dumps({**SCHEMA, "title": f"number {number}"})
    known = {"subject": name(number), "version": 1, "id": number + 1}
    return {**known, "schemaType": "JSON", "schema": schema}


def over_http(section: Section) -> None:
    """The client in a process of its own, whose memory is measured."""
    import threading

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    command = [sys.executable, "-m", "benchmarks.bench_listing", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    server.shutdown()
    server.server_close()
    took, memory, count = output.split()
    section.add(
        Row(
            f"`latest()` of {LISTED:,} subjects over HTTP",
            f"{int(count):,} in {Listing.requests} requests, {float(took):.1f} s",
            aim="all, ≤ 60 requests",
            met=int(count) == LISTED and Listing.requests <= 60,
        )
    )
    section.add(
        Row("memory of that process at its peak", f"{float(memory):.0f} MB", aim="< 400 MB",
            met=float(memory) < 400)
    )  # fmt: skip


def list_once(url: str) -> None:
    with connect(url) as registry:
        started = time.perf_counter()
        count = len(registry.latest())
        took = time.perf_counter() - started
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, count)


def run() -> list[Section]:
    section = Section(
        "Registries of many subjects",
        f"A folder of {SUBJECTS:,} subjects, beside a loop that reads all its files by hand and "
        "checks nothing; and a server that lists as Confluent's does, at most a thousand schemas "
        "an answer.",
    )
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "schemas"
        fill(root)
        folder(section, root)
        asyncio.run(watch(section, root))
    over_http(section)
    return [section]


if __name__ == "__main__":
    list_once(sys.argv[1])
