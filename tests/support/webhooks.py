"""An endpoint that answers as told, and a server for ASGI applications, both on real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.webhooks.signing import Signer, parse_secrets
from tests.support.listening import UvicornServer, accept_no_more

SECRET = "a-secret-of-more-than-24-bytes"
OTHER_SECRET = "another-secret-of-more-than-24-bytes"


def signed(
    sent: SchemaEvent, *, webhook_id: str | None = None, secret: str = SECRET, ago: float = 0.0
) -> tuple[bytes, dict[str, str]]:
    """A body and its headers, as a dispatcher with this secret sent them some seconds ago."""
    body = to_json(sent)
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    signer = Signer(parse_secrets(secret))
    return body, signer.headers(webhook_id or sent.event_id, body.decode(), moment)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Reply:
    """What the endpoint does with one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False
    """Never answer."""
    drop: bool = False
    """Hang up without an answer."""


class Endpoint:
    """Answers by the script, then with ``default``; remembers every request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: list[Reply | int] = []
        self.default = Reply()
        self.connections = 0
        self.busy = 0
        self.most_busy = 0
        self.delay = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [request.webhook_id for request in self.requests]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await _read(reader)
                self.requests.append(request)
                self.busy += 1
                self.most_busy = max(self.most_busy, self.busy)
                await asyncio.sleep(self.delay)
                reply = self._next()
                if reply.hang:
                    await asyncio.sleep(60)
                self.busy -= 1
                if reply.drop:
                    break
                await _answer(writer, reply)
        writer.close()

    def _next(self) -> Reply:
        reply = self.script.pop(0) if self.script else self.default
        return Reply(reply) if isinstance(reply, int) else reply


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(head[0].split(" ")[1], headers, body)


async def _answer(writer: asyncio.StreamWriter, reply: Reply) -> None:
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Whatever", *(f"{n}: {v}" for n, v in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)
    await writer.drain()


@asynccontextmanager
async def endpoint(*, ssl: Any = None) -> AsyncIterator[Endpoint]:
    """An Endpoint on a free port of 127.0.0.1."""
    serving = Endpoint()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serving(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl)
    serving.port = server.sockets[0].getsockname()[1]
    try:
        yield serving
    finally:
        await accept_no_more(server)
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


@contextmanager
def served(app: Any, *, port: int = 0) -> Iterator[int]:
    """Run an ASGI application under uvicorn, on a thread; yields its port."""
    listener = _listen(port)
    config = uvicorn.Config(app, log_level="critical", lifespan="on", ws="none")
    server = UvicornServer(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
