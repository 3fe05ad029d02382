"""The middleware as a process of its own, between clients and any OpenAI-compatible URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry
from llm_integrations.serving.asgi.layers import OURS
from llm_integrations.serving.asgi.replies import failure_messages
from llm_integrations.serving.asgi.types import ASGIApp, Headers, Message, Receive, Scope, Send
from llm_integrations.serving.config.file import MiddlewareConfig
from llm_integrations.serving.shapes.base import openai_error
from llm_integrations.serving.shapes.failure import Failure
from llm_integrations.serving.upstream.cross_origin import CrossOrigin
from llm_integrations.serving.upstream.forward import Forward
from llm_integrations.serving.upstream.middleware import UpstreamMiddleware

__all__ = ["Upstream", "proxy_app"]

log = get_logger(__name__)

_KEPT_ALIVE: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=256, keepalive_expiry=30
)
_CONNECT_SECONDS: Final = 10.0
_LATE: Final = Failure(504, "GatewayTimeoutError", "the server did not answer in time")
_AWAY: Final = Failure(502, "BadGatewayError", "the server could not be reached")


def proxy_app(
    upstream: str,
    config: MiddlewareConfig | Mapping[str, Any] | str | Path | None = None,
    *,
    registry: Registry | str | None = None,
    default_registry: str | None = None,
    timeout: float = 600.0,
) -> ASGIApp:
    """An ASGI app that judges, and passes on to ``upstream`` what it does not answer itself.

    Args:
        upstream: the server's base URL, as a client is given it: ``https://api.example/v1``.
        config: the middleware's; see ``load_config``.
        registry: a client to use instead of what the configuration says.
        default_registry: the URL of one for a configuration that names none.
        timeout: seconds that the server may be silent.

    Raises:
        ConfigurationError: the URL cannot be one of a server.
    """

    def adapt(given: MiddlewareConfig) -> MiddlewareConfig:
        named = given.registry or default_registry
        return given.model_copy(update={"registry": named})

    server = CrossOrigin(Upstream(upstream, timeout))
    return UpstreamMiddleware(server, config, registry=registry, adapt=adapt)


class Upstream:
    """The server behind: an app that forwards. It opens and closes with its lifespan."""

    def __init__(self, url: str, timeout: float) -> None:
        self._base = _base(url)
        seconds = {"connect": _CONNECT_SECONDS, "read": timeout, "write": timeout, "pool": None}
        self._extensions = {"timeout": seconds}
        self._transport = httpx.AsyncHTTPTransport(limits=_KEPT_ALIVE, retries=1)
        self._forward = Forward(self._transport, self._request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self._transport.aclose()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._forward(scope, receive, watched)
        except httpx.TransportError as error:
            # Its words may quote a URL, so only its kind is told.
            log.warning("the server failed: %s", type(error).__name__)
            if not has_begun:
                failure = _LATE if isinstance(error, httpx.ReadTimeout) else _AWAY
                scope[OURS] = failure_messages(openai_error, failure)
                for message in scope[OURS]:
                    await send(message)

    def _request(
        self, scope: Scope, headers: Headers, body: AsyncIterator[bytes] | None
    ) -> httpx.Request:
        kept = [(name, value) for name, value in headers if name != b"host"]
        return httpx.Request(
            scope["method"],
            self._base.copy_with(raw_path=_target(self._base, scope)),
            headers=kept,
            content=body,
            extensions=self._extensions,
        )


def _base(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
        host = url.host  # read here: an xn-- label can stand for no name
    except (httpx.InvalidURL, TypeError, ValueError):
        raise ConfigurationError("upstream: this is no URL") from None
    if url.scheme not in ("http", "https") or not host:
        raise ConfigurationError("upstream: give an http(s) URL, as https://api.example/v1")
    # An @ behind the host is the end of a password, and the host no host.
    if "@" in text or url.query or url.fragment:
        raise ConfigurationError(
            "upstream: give the URL alone; clients bring their keys in their own headers"
        )
    return url


def _target(base: httpx.URL, scope: Scope) -> bytes:
    """The path and query to ask for. Clients may have the end of the base's path in theirs."""
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    prefix = base.path.rstrip("/").encode()
    if prefix and (path + b"/").startswith(prefix + b"/"):
        path = path[len(prefix) :]
    elif prefix.endswith(b"/v1") and path.startswith(b"/v1/"):
        path = path[len(b"/v1") :]
    query: bytes = scope.get("query_string", b"")
    return (prefix + path or b"/") + (b"?" + query if query else b"")
