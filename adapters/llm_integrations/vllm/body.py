"""The request body: read once, judged, and given to the app exactly as it came."""

from __future__ import annotations

from collections.abc import Iterable

from llm_integrations.vllm.asgi import Message, Receive

__all__ = ["BodyTooLarge", "RequestBody"]


class BodyTooLarge(Exception):
    """More bytes than are read before judging. Never leaves the middleware."""


class RequestBody:
    """What arrived, message by message.

    Attributes:
        data: the whole body.
        complete: False when the client left before the end of it.
        disconnected: the client has left.
    """

    __slots__ = ("_messages", "_receive", "complete", "data", "disconnected")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self.data = b""
        self.complete = False
        self.disconnected = False

    async def read(self, limit: int) -> None:
        """Read to the end. Raises BodyTooLarge as soon as ``limit`` bytes are exceeded."""
        message = await self._receive()
        self._messages.append(message)
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.data = message.get("body", b"")
            if len(self.data) > limit:
                raise BodyTooLarge
            self.complete = True
        else:
            await self._read_on(message, limit)

    async def _read_on(self, message: Message, limit: int) -> None:
        pieces: list[bytes] = []
        size = 0
        while message["type"] == "http.request":
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limit:
                raise BodyTooLarge
            if not message.get("more_body", False):
                self.data = b"".join(pieces)
                self.complete = True
                return
            message = await self._receive()
            self._messages.append(message)
        self.disconnected = True

    def replay(self, changed: bytes | None = None) -> Receive:
        """A ``receive`` that gives the body, as it came or changed, and then the real messages.

        After the body it waits for the server: an early ``http.disconnect`` would cancel the
        request.
        """
        first: Iterable[Message] = self._messages
        if changed is not None:
            first = [{"type": "http.request", "body": changed, "more_body": False}]
        pending = iter(first)

        async def receive() -> Message:
            for message in pending:
                return message
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.disconnected = True
            return message

        return receive
