"""A registry with a Confluent-compatible API on a socket, which misbehaves when a test says so."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.listening import accept_no_more

__all__ = [
    "Exchange",
    "Fault",
    "RegistryServer",
    "answering",
    "hanging",
    "registry_server",
    "resetting",
    "truncated",
]


@dataclass
class Exchange:
    """One request, and where its answer goes."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    async def reply(
        self, status: int, content: Any, headers: dict[str, str] | None = None, *, cut: int = 0
    ) -> None:
        """Send JSON, or bytes as they are; ``cut`` bytes of the promised length never come."""
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {
            "Content-Type": "application/vnd.schemaregistry.v1+json",
            "Content-Length": str(len(raw)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self.writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + raw[: len(raw) - cut])
        await self.writer.drain()
        if cut:
            self.writer.close()


Fault = Callable[[Exchange], Awaitable[None]]
"""What happens to a request instead of an answer."""


def answering(status: int, content: Any, **headers: str) -> Fault:
    """Always this answer; ``retry_after="1"`` becomes the header Retry-After."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}

    async def fault(exchange: Exchange) -> None:
        await exchange.reply(status, content, named)

    return fault


async def hanging(exchange: Exchange) -> None:
    """Accept, and never answer."""
    await asyncio.sleep(3600)


async def resetting(exchange: Exchange) -> None:
    """Hang up without an answer."""
    exchange.writer.transport.abort()


async def truncated(exchange: Exchange) -> None:
    """Break off in the middle of the body."""
    await exchange.reply(200, {"subject": "s", "version": 1, "id": 1, "schema": "{}"}, cut=20)


@dataclass
class RegistryServer:
    """Runs on a thread of its own. ``fault`` applies to all requests until it is None again."""

    fault: Fault | None = None
    requests: list[str] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._subjects: dict[str, dict[int, dict[str, Any]]] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, text: str) -> int:
        """How many requests hold this text in their first line."""
        return sum(text in request for request in self.requests)

    def add(self, subject: str, body: Any, references: list[dict[str, Any]] | None = None) -> int:
        """Put a schema into the registry behind its clients' backs; returns the version."""
        versions = self._subjects.setdefault(subject, {})
        version = max(versions, default=0) + 1
        versions[version] = {
            "subject": subject,
            "version": version,
            "id": 101 + sum(len(known) for known in self._subjects.values()),
            "schemaType": "JSON",
            "schema": json.dumps(body),
            "references": references or [],
        }
        return version

    def remove(self, subject: str, version: int | None = None) -> None:
        versions = self._subjects[subject]
        for gone in [version] if version else list(versions):
            del versions[gone]
        if not versions:
            del self._subjects[subject]

    def hold(self) -> None:
        """From the next request on they arrive, and wait for ``let_go``."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def let_go(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def kill(self) -> None:
        """Refuse connections, and cut those that are open."""
        self._call(self._stop())

    def revive(self) -> None:
        """Listen again, on the same port."""
        self._call(self._start())

    def start(self) -> None:
        self._thread.start()
        self.revive()

    def stop(self) -> None:
        self.let_go()
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port, backlog=2048
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            await accept_no_more(self._server)
            self._server.close()
        for _ in range(1000):
            for writer in list(self._writers):
                writer.transport.abort()
            for task in list(self._tasks):
                task.cancel()
            # Connections being accepted are tasks of asyncio's; transports close a round later.
            await asyncio.sleep(0.001)
            if asyncio.all_tasks() == {asyncio.current_task()}:
                return

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                await self._handle(await _read(reader, writer))
            await writer.wait_closed()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)

    async def _handle(self, exchange: Exchange) -> None:
        self.requests.append(str(exchange))
        self.authorization.append(exchange.headers.get("authorization"))
        await self._open.wait()
        if self.fault is not None:
            await self.fault(exchange)
        else:
            await exchange.reply(*self._answer(exchange))

    def _answer(self, exchange: Exchange) -> tuple[int, Any]:
        parts = [unquote(part) for part in exchange.path.partition("?")[0].strip("/").split("/")]
        body = json.loads(exchange.body or b"null")
        match exchange.method, parts:
            case _, ["subjects", subject, *rest]:
                return self._answer_subject(exchange.method, subject, rest, body)
            case "GET", ["schemas", "types"]:
                return 200, ["JSON"]
            case "GET", ["subjects"]:
                return 200, sorted(self._subjects)
            case "GET", ["config", *_]:
                return 200, {"compatibilityLevel": "NONE"}
            case "PUT", ["config", *_]:
                return 200, body
            case "GET", ["schemas", "ids", schema_id, *rest]:
                return self._by_id(int(schema_id), bool(rest))
        return 404, "Not Found"

    def _answer_subject(
        self, method: str, subject: str, rest: list[str], body: Any
    ) -> tuple[int, Any]:
        match method, rest:
            case "POST", ["versions"]:
                return 200, {"id": self._register(subject, body)}
            case _ if subject not in self._subjects:
                return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
            case "GET", ["versions"]:
                return 200, sorted(self._subjects[subject])
            case "POST", []:
                return self._lookup(subject, body)
            case "GET", ["versions", version]:
                return self._version(subject, version)
            case "DELETE", ["versions", version] if int(version) in self._subjects[subject]:
                self.remove(subject, int(version))
                return 200, int(version)
            case "DELETE", []:
                return 200, sorted(self._subjects.pop(subject))
        return 404, {"error_code": 40402, "message": "Version not found."}

    def _version(self, subject: str, version: str) -> tuple[int, Any]:
        versions = self._subjects[subject]
        number = max(versions) if version == "latest" else int(version)
        if number not in versions:
            return 404, {"error_code": 40402, "message": f"Version {version} not found."}
        return 200, versions[number]

    def _by_id(self, schema_id: int, wants_versions: bool) -> tuple[int, Any]:
        found = [
            schema
            for versions in self._subjects.values()
            for schema in versions.values()
            if schema["id"] == schema_id
        ]
        if wants_versions:
            return 200, [{"subject": s["subject"], "version": s["version"]} for s in found]
        if not found:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, {"schema": found[0]["schema"], "schemaType": "JSON"}

    def _register(self, subject: str, body: Any) -> int:
        status, known = self._lookup(subject, body)
        if status == 200:
            return int(known["id"])
        version = self.add(subject, json.loads(body["schema"]), body.get("references"))
        return int(self._subjects[subject][version]["id"])

    def _lookup(self, subject: str, body: Any) -> tuple[int, Any]:
        wanted = json.loads(body["schema"])
        for schema in self._subjects.get(subject, {}).values():
            if json.loads(schema["schema"]) == wanted:
                return 200, schema
        return 404, {"error_code": 40403, "message": "Schema not found"}


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Exchange(method, path, headers, body, writer)


@contextmanager
def registry_server() -> Iterator[RegistryServer]:
    server = RegistryServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
