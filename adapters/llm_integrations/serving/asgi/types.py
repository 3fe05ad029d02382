"""The names of ASGI, so that nothing here needs a framework to be installed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from llm_integrations.serving.shapes.failure import Headers

__all__ = ["ASGIApp", "Headers", "Message", "Receive", "Scope", "Send", "drop", "header"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


async def drop(_message: Message) -> None:
    """A ``send`` that sends nothing."""


def header(scope: Scope, name: bytes, default: bytes = b"") -> bytes:
    """A request header, by its name in lower case; the first if it was sent twice."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return default
