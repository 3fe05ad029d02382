"""Replies that nothing judges: a request's verdict in their headers, or what went wrong."""

from __future__ import annotations

import json

from llm_integrations.serving.asgi.types import Headers, Message, Send
from llm_integrations.serving.judging.failure import Failure
from llm_integrations.serving.judging.verdicts import Verdicts
from llm_integrations.serving.shapes import Shape

__all__ = ["HeaderSend", "failure_messages", "with_headers"]


def failure_messages(shape: Shape, failure: Failure) -> list[Message]:
    """A whole reply that says what went wrong."""
    body = json.dumps(shape.error(failure)).encode()
    headers = failure.response_headers(len(body))
    return [
        {"type": "http.response.start", "status": failure.status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


class HeaderSend:
    """Adds the verdict on the request to a reply that is not judged itself."""

    __slots__ = ("_send", "_verdicts")

    def __init__(self, send: Send, verdicts: Verdicts) -> None:
        self._send = send
        self._verdicts = verdicts

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = with_headers(message, self._verdicts.headers())
        await self._send(message)


def with_headers(start: Message, headers: Headers) -> Message:
    """The start of a reply with further headers."""
    return {**start, "headers": [*(start.get("headers") or ()), *headers]}
