"""Requests that are refused: by us, in the server's form, or by the server, in its own words."""

from __future__ import annotations

from typing import Final

from llm_integrations.serving.asgi.layers import OwnReplies
from llm_integrations.serving.asgi.replies import failure_messages
from llm_integrations.serving.asgi.types import ASGIApp, Message, Scope, Send
from llm_integrations.serving.shapes import Shape
from llm_integrations.serving.shapes.base import openai_error
from llm_integrations.serving.shapes.failure import Failure

__all__ = ["Refuser"]


_UNAUTHORIZED: Final = Failure(401, "AuthenticationError", "Unauthorized")


class Refuser:
    """Says no in front of an app.

    Args:
        app: whose layers give headers to what is said.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._replies = OwnReplies(app)

    async def refuse(
        self, scope: Scope, send: Send, failure: Failure, shape: Shape | None = None
    ) -> None:
        """Answer as the endpoint would; without a shape as OpenAI's do."""
        write = openai_error if shape is None else shape.error
        await self._replies.send(scope, send, failure_messages(write, failure))

    async def turn_away(self, scope: Scope, send: Send, shape: Shape) -> None:
        """Whoever has no key hears what the server says to that."""
        if not await _let_refuse(self._app, scope, send):
            await self.refuse(scope, send, _UNAUTHORIZED, shape)


async def _let_refuse(app: ASGIApp, scope: Scope, send: Send) -> bool:
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
