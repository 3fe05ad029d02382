"""The names of ASGI, so that nothing here needs a framework to be installed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from llm_integrations.serving.shapes.failure import Headers

__all__ = ["ASGIApp", "Headers", "Message", "Receive", "Scope", "Send", "drop", "no_body"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


async def drop(_message: Message) -> None:
    """A ``send`` that sends nothing."""


async def no_body() -> Message:
    """A ``receive`` of a client that has left."""
    return {"type": "http.disconnect"}
