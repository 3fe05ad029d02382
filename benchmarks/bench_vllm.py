"""The vLLM middleware beside doing nothing: in process, and over uvicorn."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware

from benchmarks.harness import Row, Section
from llm_integrations.core.registry import connect
from llm_integrations.vllm import SchemaMiddleware

CHAT = "/v1/chat/completions"
USER: dict[str, Any] = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}
REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string"},
        "messages": {"type": "array", "items": {"type": "object", "required": ["role"]}},
        "temperature": {"type": "number", "maximum": 2},
    },
}
RULES = [
    {
        "input": {"checks": [{"of": "body", "schema": "request"}]},
        "output": {"schema": "user"},
    }
]
EVENTS = 100

App = Callable[[Any, Any, Any], Awaitable[None]]


def chat_request(size: int) -> bytes:
    text = "Who is it? Answer in JSON, please. " * max(1, size // 35)
    message = {"role": "user", "content": text}
    return json.dumps({"model": "m", "messages": [message], "temperature": 0.2}).encode()


def chat_reply(size: int) -> bytes:
    content = json.dumps({"name": "Ann " * max(1, size // 4), "age": 33})
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "chatcmpl-1", "model": "m", "choices": [choice]}).encode()


def chat_stream() -> list[bytes]:
    """EVENTS chunks of a token each, as vLLM writes them, and the end."""
    pieces = ["{", '"name": "'] + ["Ann "] * (EVENTS - 5) + ['",', '"age": 33', "}"]
    chunks = [_chunk({"content": piece}, None) for piece in pieces]
    return [*chunks, _chunk({}, "stop"), b"data: [DONE]\n\n"]


def _chunk(delta: dict[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    fields = {"id": "chatcmpl-b349905e3b51c161", "object": "chat.completion.chunk"}
    fields |= {"created": 1795363476, "model": "m", "choices": [choice]}  # type: ignore[dict-item]
    return b"data: %b\n\n" % json.dumps(fields, separators=(",", ":")).encode()


def replying(body: bytes) -> App:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def streaming(chunks: list[bytes]) -> App:
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


class NoOp:
    """Pure ASGI that does nothing."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class NoOpBase(BaseHTTPMiddleware):
    """What a middleware function costs, which is what most people write."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


def judged(app: App, mode: str = "warn") -> SchemaMiddleware:
    registry = connect("memory://")
    registry.register("user", USER)
    registry.register("request", REQUEST)
    rules = [{**RULES[0], "output": {"schema": "user", "mode": mode}}]
    return SchemaMiddleware(app, {"rules": rules}, registry=registry)


def scope_for(path: str, body: bytes) -> dict[str, Any]:
    """As uvicorn makes it from a request of the openai client."""
    headers = {
        "host": "127.0.0.1:8000",
        "accept-encoding": "gzip, deflate",
        "connection": "keep-alive",
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": "OpenAI/Python 3.54.0",
        "x-stainless-lang": "python",
        "x-stainless-runtime": "CPython",
        "authorization": "Bearer none",
        "content-length": str(len(body)),
    }
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }


async def _seconds(app: App, path: str, body: bytes, count: int) -> float:
    scope = scope_for(path, body)
    message = {"type": "http.request", "body": body, "more_body": False}

    async def receive() -> Any:
        return message

    async def send(message: Any) -> None:
        return None

    started = time.perf_counter()
    for _ in range(count):
        await app(scope, receive, send)
    return (time.perf_counter() - started) / count


def microseconds(
    apps: dict[str, App], path: str, body: bytes, count: int, rounds: int = 41
) -> dict[str, float]:
    """Median per request, measured turn by turn, so that a busy moment hits all alike."""

    async def measure() -> dict[str, list[float]]:
        samples: dict[str, list[float]] = {name: [] for name in apps}
        for app in apps.values():
            await _seconds(app, path, body, 10)
        for _ in range(rounds):
            for name, app in apps.items():
                samples[name].append(await _seconds(app, path, body, count) * 1e6)
        return samples

    return {name: statistics.median(s) for name, s in asyncio.run(measure()).items()}


def in_process(section: Section) -> None:
    small = None
    for size, aim in ((230, 15.0), (20_000, 35.0)):
        request, app = chat_request(size), replying(chat_reply(size // 2))
        apps = {"bare": app, "no-op": NoOp(app), "base": NoOpBase(app), "ours": judged(app)}
        took = microseconds(apps, CHAT, request, 200)
        ours, base = took["ours"] - took["bare"], took["base"] - took["bare"]
        small = small or (ours, base, took["no-op"] - took["bare"])
        kind = "small" if size < 1000 else "20 KB"
        section.add(
            Row(
                f"a {kind} request, judged in and out, metrics included",
                f"{ours:.1f} µs",
                f"no-op BaseHTTPMiddleware {base:.0f} µs",
                f"{base / ours:.1f}×",
                f"≤ {aim:.0f} µs",
                ours <= aim,
            )
        )
    assert small is not None
    ours, base, no_op = small
    section.add(
        Row(
            "the same beside a middleware that does nothing",
            f"{ours:.1f} µs",
            f"pure ASGI {no_op:.2f} µs, BaseHTTPMiddleware {base:.0f} µs",
            f"{base / ours:.1f}×",
            "15 times cheaper than the latter",
            base / ours >= 15,
        )
    )


def unmatched(section: Section) -> None:
    body, app = chat_request(230), replying(chat_reply(100))
    apps: dict[str, App] = {"bare": app, "no-op": NoOp(app), "ours": judged(app)}
    took = microseconds(apps, "/v1/embeddings", body, 1000)
    ours, no_op = took["ours"] - took["bare"], took["no-op"] - took["bare"]
    section.add(
        Row(
            "a path without rules",
            f"{ours:.2f} µs",
            f"no-op pure ASGI {no_op:.2f} µs",
            "",
            "≤ 1 µs",
            ours <= 1,
        )
    )


def stream(section: Section) -> None:
    app = streaming(chat_stream())
    apps: dict[str, App] = {"bare": app}
    apps |= {mode: judged(app, mode) for mode in ("warn", "enforce")}
    took = microseconds(apps, CHAT, chat_request(230), 20)
    for mode in ("warn", "enforce"):
        each = (took[mode] - took["bare"]) / EVENTS
        section.add(
            Row(
                f"each event of a stream, `{mode}` (request and verdict included)",
                f"{each:.2f} µs",
                "",
                "",
                "≤ 4 µs",
                each <= 4,
            )
        )


SERVER = """
import sys, uvicorn
from benchmarks import bench_vllm as bench

app = bench.APPS[sys.argv[2]]()
if sys.argv[1] == "ours":
    app = bench.served(app)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[3]), log_level="critical", lifespan="off")
"""


def bare_app() -> App:
    reply, chunks = replying(chat_reply(100)), streaming(chat_stream())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (chunks if scope["path"] == "/stream" else reply)(scope, receive, send)

    return app


def fastapi_app() -> App:
    """Of the kind that vLLM's server is: reads JSON, answers JSON."""
    from fastapi import Body, FastAPI

    app = FastAPI()
    reply = json.loads(chat_reply(100))

    @app.post(CHAT)
    async def chat(request: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008 - FastAPI's way
        return {**reply, "model": request["model"]}

    return app


APPS: dict[str, Callable[[], App]] = {"bare ASGI": bare_app, "FastAPI": fastapi_app}


def served(app: App) -> SchemaMiddleware:
    """Judges the stream's path as well."""
    registry = connect("memory://")
    registry.register("user", USER)
    registry.register("request", REQUEST)
    rules = [{**RULES[0], "paths": [CHAT, "/stream"], "shape": "chat"}]
    return SchemaMiddleware(app, {"rules": rules}, registry=registry)


class Served:
    """A server in a process of its own, and a client that costs less than the server does."""

    def __init__(self, kind: str, app: str, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, kind, app, str(port)], stderr=subprocess.DEVNULL
        )
        self._port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.05)

    async def requests_per_second(self, count: int) -> float:
        """Over eight connections that stay open."""
        message = _http(CHAT)

        async def some() -> None:
            reader, writer = await self.connect()
            for _ in range(count // 8):
                writer.write(message)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                length = head.split(b"content-length: ")[1].split(b"\r\n")[0]
                await reader.readexactly(int(length))
            writer.close()

        started = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(8)))
        return count / (time.perf_counter() - started)

    async def first_byte(self) -> float:
        """Seconds until the first chunk of a stream's body."""
        reader, writer = await self.connect()
        started = time.perf_counter()
        writer.write(_http("/stream"))
        await reader.readuntil(b"data: ")
        took = time.perf_counter() - started
        await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
        return took

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def _http(path: str) -> bytes:
    body = chat_request(230)
    headers = scope_for(path, body)["headers"]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (path.encode(), lines, body)


async def _served_rounds(app: str) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Requests per second, and seconds until the first byte, with and without us in turn."""
    servers = {kind: Served(kind, app, _free_port()) for kind in ("alone", "ours")}
    rates: dict[str, list[float]] = {kind: [] for kind in servers}
    firsts: dict[str, list[float]] = {kind: [] for kind in servers}
    try:
        for server in servers.values():
            await server.requests_per_second(400)
        for _ in range(30):
            for kind, server in servers.items():
                rates[kind].append(await server.requests_per_second(400))
                if app == "bare ASGI":
                    few = [await server.first_byte() for _ in range(5)]
                    firsts[kind].append(statistics.median(few))
    finally:
        for server in servers.values():
            server.close()
    return rates, firsts


def over_uvicorn(section: Section) -> None:
    firsts: dict[str, list[float]] = {}
    for app in APPS:
        rates, measured = asyncio.run(_served_rounds(app))
        firsts = firsts or measured
        ratio = _paired(rates["ours"], rates["alone"])
        section.add(
            Row(
                f"requests per second over uvicorn, a {app} app that does nothing",
                f"{statistics.median(rates['ours']):,.0f}/s",
                f"without us {statistics.median(rates['alone']):,.0f}/s",
                f"{ratio:.2f}",
                "≥ 0.85",
                ratio >= 0.85,
            )
        )
    ours, alone = firsts["ours"], firsts["alone"]
    later = statistics.median(a - b for a, b in zip(ours, alone, strict=True))
    section.add(
        Row(
            "first byte of a stream over uvicorn",
            f"{statistics.median(ours) * 1e3:.2f} ms",
            f"without us {statistics.median(alone) * 1e3:.2f} ms",
            f"{later * 1e6:+.0f} µs",
            "not later (by 0.1 ms at most)",
            later <= 1e-4,
        )
    )


def _paired(ours: list[float], theirs: list[float]) -> float:
    """Median of the ratios of neighbouring rounds, which a busy moment hits alike."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run() -> list[Section]:
    section = Section(
        "vLLM: the middleware's cost",
        "A chat request judged as a whole against one schema and the answer's text against another,"
        " on an app that does nothing. What the app itself takes is subtracted; the small request"
        " is 230 bytes. The peers are a pure ASGI middleware and a BaseHTTPMiddleware that do"
        " nothing at all. Medians of rounds measured turn by turn.",
    )
    in_process(section)
    unmatched(section)
    stream(section)
    over_uvicorn(section)
    return [section]
