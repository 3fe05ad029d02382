"""The middleware without a server of its own: a transport for the clients' ``http_client``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx

from llm_integrations.core.concurrency.loop_thread import LoopThread
from llm_integrations.core.registry import Registry
from llm_integrations.serving.asgi.types import Headers, Scope
from llm_integrations.serving.config.file import MiddlewareConfig, load_config
from llm_integrations.serving.runtime.rules_file import RulesFile
from llm_integrations.serving.upstream.exchange import Exchange
from llm_integrations.serving.upstream.forward import Forward
from llm_integrations.serving.upstream.in_threads import InThreads
from llm_integrations.serving.upstream.library import library_of, stream_of
from llm_integrations.serving.upstream.middleware import UpstreamMiddleware

__all__ = ["SchemaTransport"]

_REQUEST: Final = "llm_integrations.request"


class SchemaTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Judges what a client sends and gets, by the rules of the middleware.

    ``OpenAI(http_client=httpx.Client(transport=SchemaTransport(rules)))``, and likewise
    ``AsyncOpenAI`` with ``httpx.AsyncClient``, ``Anthropic`` and ``AsyncAnthropic``; clients that
    want one of httpx2 take it as well. What a rule refuses reaches the caller as the server's own
    error would: BadRequestError for a request, InternalServerError for an answer. The server's URL
    may have any prefix. A file is looked at again with a request, every ``reload`` seconds.

    Args:
        rules: the rules, the middleware's whole configuration, or the path of its YAML file.
        registry: a client to use instead of what the configuration says; it stays open.
        transport: what the requests go out by, sync or async; by default the library's own.

    Raises:
        ConfigurationError: the configuration is wrong.
    """

    def __init__(
        self,
        rules: Sequence[Any] | Mapping[str, Any] | MiddlewareConfig | str | Path,
        *,
        registry: Registry | str | None = None,
        transport: Any = None,
    ) -> None:
        is_list = isinstance(rules, Sequence) and not isinstance(rules, str)
        self._file = RulesFile(Path(rules)) if isinstance(rules, str | Path) else None
        self._config = load_config({"rules": rules} if is_list else rules)  # type: ignore[arg-type]  # a list is rules
        self._registry = registry
        self._transport = transport
        self._loop = LoopThread("llm-integrations-transport")
        self._async: _Way | None = None
        self._sync: _Way | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._async is None:
            self._async = self._way(library_of(request))
        exchange, start = await self._async.ask(request, await request.aread())
        library = library_of(request)
        pieces = stream_of(library.AsyncByteStream, _Pieces)(exchange)
        return _response(library, start, pieces)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._loop.lock:
            if self._sync is None:
                self._sync = self._way(library_of(request))
        exchange, start = self._loop.run(self._sync.ask(request, request.read())).result()
        library = library_of(request)
        pieces = stream_of(library.SyncByteStream, _SyncPieces)(exchange, self._loop)
        return _response(library, start, pieces)

    def _way(self, library: Any) -> _Way:
        transport = self._transport
        if transport is None:
            transport = library.AsyncHTTPTransport()
        elif not hasattr(transport, "handle_async_request"):
            transport = InThreads(transport)
        return _Way(self._config, self._registry, transport, self._file)

    async def aclose(self) -> None:
        """Let go of everything. Idempotent."""
        await asyncio.to_thread(self.close)
        way, self._async = self._async, None
        if way is not None:
            await way.close()

    def close(self) -> None:
        """As ``aclose``, of what sync clients used."""
        way, self._sync = self._sync, None
        if way is not None:
            self._loop.run(way.close()).result()
        self._loop.stop()


def _told(config: MiddlewareConfig) -> MiddlewareConfig:
    """Everybody is told: whoever calls has the key."""
    return config.model_copy(update={"auth": "none"})


def _response(library: Any, start: Mapping[str, Any], pieces: Any) -> httpx.Response:
    made: httpx.Response = library.Response(
        start["status"], headers=start["headers"], stream=pieces
    )
    return made


class _Middleware(UpstreamMiddleware):
    """Follows its file by the requests that come, on whatever loop they do."""

    def __init__(
        self,
        app: Any,
        config: MiddlewareConfig,
        registry: Registry | str | None,
        file: RulesFile | None,
    ) -> None:
        super().__init__(app, config, registry=registry, adapt=_told)
        self._file = copy(file)  # each follows by itself
        self._next_look = 0.0

    def _read(self) -> MiddlewareConfig:
        return load_config(None if self._file is None else self._file.path)

    async def keep_up(self) -> None:
        runtime, now = self._runtime, monotonic()
        if self._file is None or runtime is None or now < self._next_look:
            return
        seconds = runtime.config.reload
        self._next_look = now + seconds
        if seconds and await self._file.has_changed(seconds):
            await self.reload()


class _Way:
    """From a request to its response, on one event loop."""

    def __init__(
        self,
        config: MiddlewareConfig,
        registry: Registry | str | None,
        transport: Any,
        file: RulesFile | None,
    ) -> None:
        self._transport = transport
        self._library = library_of(transport)
        self._app = _Middleware(Forward(transport, self._as_sent), config, registry, file)

    async def ask(self, request: httpx.Request, body: bytes) -> tuple[Exchange, Mapping[str, Any]]:
        await self._app.keep_up()
        exchange = Exchange(self._app, _scope(request), body)
        return exchange, await exchange.start()

    def _as_sent(self, scope: Scope, headers: Headers, body: AsyncIterator[bytes] | None) -> Any:
        given: httpx.Request = scope[_REQUEST]
        return self._library.Request(
            given.method,
            str(given.url),
            headers=headers,
            content=body,
            extensions=given.extensions,
        )

    async def close(self) -> None:
        await self._app.stop()
        await self._transport.aclose()


def _scope(request: httpx.Request) -> Scope:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "root_path": "",
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        _REQUEST: request,
    }


class _Pieces:
    """The body of a response, read on the loop of its exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._exchange)

    async def aclose(self) -> None:
        await self._exchange.aclose()


class _SyncPieces:
    """The same, read from any thread."""

    def __init__(self, exchange: Exchange, loop: LoopThread) -> None:
        self._exchange = exchange
        self._loop = loop

    def __iter__(self) -> Iterator[bytes]:
        pieces = aiter(self._exchange)
        while (piece := self._loop.run(_next(pieces)).result()) is not None:
            yield piece

    def close(self) -> None:
        self._loop.run(self._exchange.aclose()).result()


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)
