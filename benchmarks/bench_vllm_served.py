"""The vLLM middleware on servers: an app over uvicorn, and vLLM itself where it is installed."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bench_vllm import (
    CHAT,
    REQUEST,
    RULES,
    USER,
    App,
    chat_reply,
    chat_request,
    chat_stream,
    replying,
    scope_for,
    streaming,
)
from benchmarks.harness import Row, Section
from llm_integrations.core.registry import Registry, connect
from llm_integrations.vllm import SchemaMiddleware

SERVER = """
import sys, uvicorn
from benchmarks import bench_vllm_served as bench

app = bench.made(sys.argv[1], sys.argv[2])
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


def bare_proxy() -> App:
    """What somebody writes who wants no more than requests to go on."""
    client = httpx.AsyncClient(base_url=os.environ[UPSTREAM], timeout=60)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = [item for item in scope["headers"] if item[0] != b"host"]
        request = client.build_request("POST", scope["path"], headers=headers, content=body)
        reply = await client.send(request, stream=True)
        start = {"type": "http.response.start", "status": reply.status_code}
        await send({**start, "headers": [(n.lower(), v) for n, v in reply.headers.raw]})
        async for chunk in reply.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


UPSTREAM = "BENCHMARK_UPSTREAM"
PROXY = "proxy"
APPS: dict[str, Callable[[], App]] = {"bare ASGI": bare_app, "FastAPI": fastapi_app}


def made(kind: str, name: str) -> App:
    """An app alone, or with us: in front of it, or in its place where it is a proxy."""
    if name == PROXY:
        return _our_proxy() if kind == "ours" else bare_proxy()
    return served(APPS[name]()) if kind == "ours" else APPS[name]()


def _our_proxy() -> App:
    from llm_integrations.serving.upstream.proxy import proxy_app

    return proxy_app(os.environ[UPSTREAM], {"rules": RULES}, registry=_registry())


def _registry() -> Registry:
    registry = connect("memory://")
    registry.register("user", USER)
    registry.register("request", REQUEST)
    return registry


def served(app: App) -> SchemaMiddleware:
    """Judges the stream's path as well."""
    rules = [{**RULES[0], "paths": [CHAT, "/stream"], "shape": "chat"}]
    return SchemaMiddleware(app, {"rules": rules}, registry=_registry())


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
    _through_the_proxy(section)
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


def _through_the_proxy(section: Section) -> None:
    port = _free_port()
    upstream = Served("alone", "bare ASGI", port)
    os.environ[UPSTREAM] = f"http://127.0.0.1:{port}"
    try:
        rates, _ = asyncio.run(_served_rounds(PROXY))
    finally:
        upstream.close()
    ratio = _paired(rates["ours"], rates["alone"])
    section.add(
        Row(
            "requests per second through the proxy, judged in and out",
            f"{statistics.median(rates['ours']):,.0f}/s",
            f"httpx under uvicorn alone {statistics.median(rates['alone']):,.0f}/s",
            f"{ratio:.2f}",
            "≥ 0.8",
            ratio >= 0.8,
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


async def _vllm_rate(url: str, requests: int) -> float:
    """Requests per second with eight under way: a chat answer of sixteen tokens."""
    body = {**json.loads(chat_request(230)), "max_tokens": 16}
    left = iter(range(requests))

    async def some(client: httpx.AsyncClient) -> None:
        for _ in left:
            (await client.post(url + CHAT, json=body)).raise_for_status()

    async with httpx.AsyncClient(timeout=60) as client:
        started = time.perf_counter()
        await asyncio.gather(*(some(client) for _ in range(8)))
        return requests / (time.perf_counter() - started)


def on_vllm(section: Section) -> None:
    """The real server with a tiny model on the CPU, started with and without us in turn."""
    from tests.support.vllm_server import VENV, VllmServer, make_tiny_model

    if not (VENV / "bin/vllm").exists():
        print("  run tests/real/install-vllm to measure on vLLM itself")
        return
    rates: dict[str, list[float]] = {"alone": [], "ours": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_tiny_model(folder / "model")
        registry = connect(f"file:{folder / 'schemas'}")
        registry.register("user", USER)
        registry.register("request", REQUEST)
        config = {"registry": registry.url, "rules": RULES}
        for kind in ("alone", "ours") * 2:
            judged = config if kind == "ours" else None
            server = VllmServer(model, judged, folder, names=("m",))
            with server.running():
                asyncio.run(_vllm_rate(server.url, 40))
                rates[kind] += [asyncio.run(_vllm_rate(server.url, 160)) for _ in range(5)]
    ours, alone = (statistics.median(rates[kind]) for kind in ("ours", "alone"))
    section.add(
        Row(
            "requests per second of vLLM itself, a tiny model on the CPU, 16 tokens",
            f"{ours:,.0f}/s",
            f"without us {alone:,.0f}/s",
            f"{ours / alone:.2f}",
            "≥ 0.85",
            ours / alone >= 0.85,
        )
    )


def run() -> list[Section]:
    section = Section(
        "vLLM: the middleware on a server",
        "The same judging over a socket, eight connections, with and without us in turn. The apps"
        " over uvicorn do nothing, so that the difference is all ours; vLLM writes sixteen tokens.",
    )
    over_uvicorn(section)
    on_vllm(section)
    return [section]
