"""What a browser is told of the pages that may read a reply, where the server is elsewhere."""

from __future__ import annotations

import asyncio
from typing import Final

from cachetools import LRUCache

from llm_integrations.serving.asgi.layers import OURS
from llm_integrations.serving.asgi.replies import with_headers
from llm_integrations.serving.asgi.types import ASGIApp, Headers, Message, Receive, Scope, Send

__all__ = ["CrossOrigin"]

_LEARNED: Final = (
    b"access-control-allow-origin",
    b"access-control-allow-credentials",
    b"access-control-expose-headers",
)
_MOST_ORIGINS: Final = 256
_PATIENCE: Final = 2.0


class CrossOrigin:
    """Gives our own replies the CORS headers that the server gives its replies to the same page.

    They are learned from what passes, the answer to a browser's preflight for one; where nothing
    has passed yet, the server is asked by a preflight. A server that gives none has none added.

    Args:
        app: the server.
    """

    gives_headers: Final = True

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._server = app  # while a copy of this layer may stand around another app
        self._known: LRUCache[bytes, Headers] = LRUCache(_MOST_ORIGINS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = next((v for name, v in scope.get("headers", ()) if name == b"origin"), b"")

        async def forward(message: Message) -> None:
            if message["type"] == "http.response.start":
                if OURS in scope:
                    message = with_headers(message, await self._headers_for(origin, scope))
                else:
                    self._learn(origin, message)
            await send(message)

        await self.app(scope, receive, forward if origin else send)

    def _learn(self, origin: bytes, start: Message) -> None:
        given = [(name.lower(), value) for name, value in start.get("headers") or ()]
        found = [item for item in given if item[0] in _LEARNED]
        self._known[origin] = [*found, (b"vary", b"Origin")] if found else []

    async def _headers_for(self, origin: bytes, scope: Scope) -> Headers:
        if origin not in self._known:
            self._known[origin] = []  # a server that is away is asked once
            asking = self._server(_preflight(scope, origin), _nothing, self._hear(origin))
            try:
                await asyncio.wait_for(asking, _PATIENCE)
            except Exception:  # noqa: BLE001 - our reply goes out either way
                return []
        return self._known.get(origin, [])

    def _hear(self, origin: bytes) -> Send:
        async def hear(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._learn(origin, message)

        return hear


def _preflight(scope: Scope, origin: bytes) -> Scope:
    method = scope["method"].encode()
    headers = [
        (b"origin", origin),
        (b"access-control-request-method", method),
        (b"access-control-request-headers", b"authorization,content-type"),
    ]
    kept = {name: value for name, value in scope.items() if name != OURS}
    return {**kept, "method": "OPTIONS", "headers": headers}


async def _nothing() -> Message:
    return await asyncio.Future()
