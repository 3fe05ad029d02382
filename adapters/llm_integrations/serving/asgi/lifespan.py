"""Start and stop with the server, around the app's own start and stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.serving.asgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["run_lifespan"]

_LAST: Final = ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed")


async def run_lifespan(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    start: Callable[[], Awaitable[None]],
    ready: Callable[[], None],
    stop: Callable[[], Awaitable[None]],
) -> None:
    """Run the app's lifespan between ours.

    A start of ours that fails, or what ``ready`` finds once the app has started, stops the server
    cleanly.
    """
    first = await receive()
    try:
        await start()
    except LLMIntegrationsError as error:
        await stop()
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    pending = [first]
    failed: LLMIntegrationsError | None = None

    async def replay() -> Message:
        if failed is not None:
            return {"type": "lifespan.shutdown"}
        return pending.pop() if pending else await receive()

    async def forward(message: Message) -> None:
        nonlocal failed
        if message["type"] == "lifespan.startup.complete":
            try:
                ready()
            except LLMIntegrationsError as error:
                failed = error
        elif message["type"] in _LAST:
            await stop()
        if failed is None:
            await send(message)

    await app(scope, replay, forward)
    if failed is not None:
        await stop()
        await send({"type": "lifespan.startup.failed", "message": str(failed)})
