"""An ASGI client, and apps that answer like a model server, for the middleware's tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import REGISTRY

from llm_integrations.core.registry import Registry, connect
from llm_integrations.serving import SchemaMiddleware

__all__ = [
    "BAD",
    "CHAT",
    "GOOD",
    "USER",
    "Reply",
    "Server",
    "chat_chunks",
    "chat_reply",
    "chat_request",
    "counted",
    "events_of",
    "registry_with_user",
    "sse",
    "started",
]

Message = MutableMapping[str, Any]

CHAT = "/v1/chat/completions"

USER: dict[str, Any] = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
}

GOOD = '{"name": "Ann", "age": 33}'
BAD = '{"name": "Ann", "age": "old"}'


# Nothing checks keys here, and everybody may be told what is wrong.
DEFAULTS: dict[str, Any] = {"rules": [{"output": {"schema": "user"}}], "auth": "none"}


def registry_with_user() -> Registry:
    """A registry in memory with ``user@1``."""
    registry = connect("memory://")
    registry.register("user", USER)
    return registry


def chat_request(content: Any = "Who?", **fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": content}], **fields}


def chat_reply(*contents: Any, finish: str = "stop", calls: Any = None) -> dict[str, Any]:
    """A chat completion with one choice for each content."""
    message = {"role": "assistant", **({"tool_calls": calls} if calls else {})}
    choices = [
        {"index": index, "message": {**message, "content": content}, "finish_reason": finish}
        for index, content in enumerate(contents)
    ]
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "tiny", "choices": choices}


def sse(data: Any, event: str | None = None) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {text}\n\n".encode()


def chat_chunks(*contents: str, finish: str = "stop", size: int = 5) -> list[bytes]:
    """A chat stream; the choices interleave. Then a usage chunk and [DONE]."""
    chunks: list[bytes] = []
    longest = max(len(content) for content in contents)
    for start in range(0, longest, size):
        for index, content in enumerate(contents):
            if piece := content[start : start + size]:
                chunks.append(_chunk(index, {"content": piece}))
    chunks += [_chunk(index, {}, finish) for index in range(len(contents))]
    return [*chunks, sse({"choices": [], "usage": {"total_tokens": 9}}), sse("[DONE]")]


def _chunk(index: int, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return sse({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]})


def events_of(stream: bytes) -> list[Any]:
    """The data of each event, parsed where it is JSON."""
    found: list[Any] = []
    for block in stream.decode().split("\n\n"):
        for line in block.split("\n"):
            if line.startswith("data: "):
                text = line.removeprefix("data: ")
                found.append(text if text == "[DONE]" else json.loads(text))
    return found


@dataclass
class Reply:
    """What a client got. ``pieces`` are the body's messages as they came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """An app that gives prepared replies, behind the middleware.

    ``replies`` are given one after the other, the last one again and again: a mapping is JSON, a
    list of bytes a stream, bytes are sent as they are. A tuple is (status, reply). A function gets
    the request's body and returns one of these. ``kind`` is the middleware's class.
    """

    def __init__(
        self,
        *replies: Any,
        registry: Registry | None = None,
        kind: type[SchemaMiddleware] = SchemaMiddleware,
        **config: Any,
    ) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.scopes: list[Mapping[str, Any]] = []
        self.disconnects = 0
        self.registry = registry or registry_with_user()
        self.headers: list[tuple[bytes, bytes]] = []
        self.middleware = kind(self.app, {**DEFAULTS, **config}, registry=self.registry)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        self.requests.append(await self._read(receive))
        reply = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
        if callable(reply):
            reply = reply(self.requests[-1])
        status, reply = reply if isinstance(reply, tuple) else (200, reply)
        await _send(send, status, reply, self.headers)

    async def _read(self, receive: Any) -> bytes:
        body: bytes = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                return body
            body += message.get("body", b"")
            if not message.get("more_body", False):
                return body

    async def post(
        self,
        body: bytes | Mapping[str, Any] | None = None,
        path: str = CHAT,
        *,
        headers: Mapping[str, str] | None = None,
        pieces: Iterable[bytes] | None = None,
        method: str = "POST",
        root_path: str = "",
        query: bytes = b"",
    ) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body or chat_request()).encode()
        parts = [data] if pieces is None else list(pieces)
        incoming: list[Message] = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, start=1)
        ]
        given = {"content-type": "application/json", "content-length": str(sum(map(len, parts)))}
        return await self.exchange(
            incoming, path, {**given, **(headers or {})}, method, root_path, query=query
        )

    async def exchange(
        self,
        incoming: list[Message],
        path: str = CHAT,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        root_path: str = "",
        on_send: Callable[[Message], None] | None = None,
        query: bytes = b"",
    ) -> Reply:
        reply = Reply()

        async def receive() -> Message:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if on_send is not None:
                on_send(message)
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                reply.pieces.append(message.get("body", b""))

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": root_path,
            "query_string": query,
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
        }
        await self.middleware(scope, receive, send)
        return reply


async def _send(
    send: Any, status: int, reply: Any, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    if isinstance(reply, list):
        kind, pieces = b"text/event-stream; charset=utf-8", reply
    elif isinstance(reply, bytes):
        kind, pieces = b"application/json", [reply]
    else:
        kind, pieces = b"application/json", [json.dumps(reply).encode()]
    start = [(b"content-type", kind), *headers]
    if len(pieces) == 1:
        start.append((b"content-length", str(len(pieces[0])).encode()))
    await send({"type": "http.response.start", "status": status, "headers": start})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def started(middleware: Any) -> AsyncIterator[list[Message]]:
    """Runs a middleware's lifespan as a server does; yields what it said."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    said: list[Message] = []
    spoke = asyncio.Event()

    async def send(message: Message) -> None:
        said.append(message)
        spoke.set()

    incoming.put_nowait({"type": "lifespan.startup"})
    task = asyncio.create_task(middleware({"type": "lifespan"}, incoming.get, send))
    await spoke.wait()
    try:
        yield said
    finally:
        incoming.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(task, 60)


def counted(
    outcome: str, side: str = "output", subject: str = "user", module: str = "serving"
) -> float:
    """How many pieces had this outcome so far, in this process."""
    labels = {"module": module, "subject": subject, "side": side, "outcome": outcome}
    return REGISTRY.get_sample_value("llm_integrations_validation_total", labels) or 0.0
