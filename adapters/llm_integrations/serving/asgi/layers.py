"""The layers of an app, as middlewares of Starlette wrap each other."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Final

from llm_integrations.serving.asgi.types import ASGIApp, Message, Receive, Scope, Send, no_body

__all__ = ["OURS", "OwnReplies", "layers_of"]

_DEEPEST: Final = 100
_GIVE_HEADERS: Final = frozenset(
    ("CORSMiddleware", "XRequestIdMiddleware", "CorrelationIdMiddleware")
)
OURS: Final = "llm_integrations.ours"
"""In the scope of a reply that is ours: its messages."""


def layers_of(app: Any) -> Iterator[Any]:
    """The app, what it wraps, and so on inwards."""
    for _ in range(_DEEPEST):
        if app is None:
            return
        yield app
        app = getattr(app, "app", None) or getattr(app, "middleware_stack", None)


class OwnReplies:
    """Sends replies that are ours, as the server's own errors go out.

    Further inside the app are layers that give headers to each reply (CORS, the request's id). A
    browser shows no reply without them, so ours pass through copies of those layers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._through: ASGIApp | None = None

    async def send(self, scope: Scope, send: Send, messages: Sequence[Message]) -> None:
        if self._through is None:
            self._through = _headers_of(self._app)
        await self._through({**scope, OURS: messages}, no_body, send)


def _headers_of(app: ASGIApp) -> ASGIApp:
    """The layers of an app that give headers, around the reply that the scope holds."""
    *_, innermost = layers = list(layers_of(app))
    if getattr(innermost, "middleware_stack", app) is None:  # not called yet, so not built yet
        innermost.middleware_stack = innermost.build_middleware_stack()
        layers += layers_of(innermost.middleware_stack)
    through: ASGIApp = _say
    for layer in reversed(layers):
        if hasattr(layer, "app") and _gives_headers(layer):
            made = copy.copy(layer)
            made.app = through
            through = made
    return through


def _gives_headers(layer: Any) -> bool:
    named = _GIVE_HEADERS & {c.__name__ for c in type(layer).__mro__}
    return bool(named) or getattr(layer, "gives_headers", False) is True


async def _say(scope: Scope, _receive: Receive, send: Send) -> None:
    for message in scope[OURS]:
        await send(message)
