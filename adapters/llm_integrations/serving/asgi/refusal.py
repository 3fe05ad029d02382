"""A request that the server will refuse: its own words go out, with nothing of ours."""

from __future__ import annotations

from llm_integrations.serving.asgi.layers import OwnReplies
from llm_integrations.serving.asgi.replies import failure_messages
from llm_integrations.serving.asgi.types import ASGIApp, Message, Scope, Send
from llm_integrations.serving.shapes import Shape
from llm_integrations.serving.shapes.failure import Failure

__all__ = ["let_refuse"]


async def let_refuse(
    app: ASGIApp, scope: Scope, send: Send, shape: Shape, replies: OwnReplies
) -> None:
    """Call the app without the request's body, and let only an error out.

    So the client gets what the server says to strangers, and a request that the server takes
    after all is not served unjudged: it ends with 401.
    """
    refusal = _Refusal(send)
    try:
        await app(scope, refusal.receive, refusal)
    except Exception:
        if not refusal.wants_body:
            raise
    if not refusal.passes:
        failure = Failure(401, "AuthenticationError", "Unauthorized")
        await replies.send(scope, send, failure_messages(shape.error, failure))


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
