"""A request that the server will refuse: its own words go out, with nothing of ours."""

from __future__ import annotations

from typing import Final

from llm_integrations.serving.asgi.types import ASGIApp, Message, Scope, Send
from llm_integrations.serving.shapes.failure import Failure

__all__ = ["UNAUTHORIZED", "let_refuse"]


UNAUTHORIZED: Final = Failure(401, "AuthenticationError", "Unauthorized")


async def let_refuse(app: ASGIApp, scope: Scope, send: Send) -> bool:
    """Call the app without the request's body, and let only an error out.

    So the client gets what the server says to strangers, and a request that the server takes
    after all is not served unjudged.

    Returns:
        Whether it refused the request.
    """
    refusal = _Refusal(send)
    try:
        await app(scope, refusal.receive, refusal)
    except Exception:
        if not refusal.wants_body:
            raise
    return refusal.passes


class _Refusal:
    def __init__(self, send: Send) -> None:
        self._send = send
        self.wants_body = False
        self.passes = False

    async def receive(self) -> Message:
        self.wants_body = True
        return {"type": "http.disconnect"}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.passes = message["status"] >= 400 and not self.wants_body
        if self.passes:
            await self._send(message)
