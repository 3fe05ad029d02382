"""The request body: read once, judged, and given to the app exactly as it came."""

from __future__ import annotations

from collections.abc import Sequence

from llm_integrations.serving.asgi.types import Message, Receive
from llm_integrations.serving.shapes.failure import Refused, too_large

__all__ = ["RequestBody"]


class RequestBody:
    """What arrived, kept as one message: a byte that comes in one of its own takes three hundred.

    Args:
        receive: the server's ``receive``.
        first: its first message, already received.

    Attributes:
        data: the whole body.
        complete: False when the client left before the end of it.
        disconnected: the client has left.
    """

    __slots__ = ("_given", "_pending", "_real", "complete", "data", "disconnected")

    def __init__(self, receive: Receive, first: Message) -> None:
        self._real = receive
        self._pending: Sequence[Message] = [first]
        self._given = 0
        self.disconnected = first["type"] == "http.disconnect"
        self.complete = not (self.disconnected or first.get("more_body", False))
        self.data: bytes = first.get("body", b"")

    async def read_on(self, announced: bytes, limit: int) -> None:
        """Read to the end; ``announced`` is what the client says that it sends.

        Raises:
            Refused: 413, as soon as ``limit`` bytes are exceeded, or announced.
        """
        # No number of twenty digits is within a limit, and thousands of them are not converted.
        if announced.isdigit() and int(announced.lstrip(b"0")[:20] or 0) > limit:
            raise Refused(too_large(limit))
        body = bytearray(self.data)
        while len(body) <= limit and not (self.complete or self.disconnected):
            body += await self._next()
        if len(body) > limit:
            raise Refused(too_large(limit))
        self.data = bytes(body)
        self.rewind()

    async def is_empty(self) -> bool:
        """Whether it ends without having held anything; some servers say so in two messages."""
        while not (self.data or self.complete or self.disconnected):
            self.data = await self._next()
            self.rewind()
        return self.complete and not self.data

    async def _next(self) -> bytes:
        message = await self._real()
        self.disconnected = message["type"] == "http.disconnect"
        self.complete = not (self.disconnected or message.get("more_body", False))
        data: bytes = message.get("body", b"")
        return data

    def rewind(self, changed: bytes | None = None) -> None:
        """Let ``receive`` begin again, with the body as it came or a changed one."""
        self._given = 0
        body = self.data if changed is None else changed
        more = changed is None and not self.complete
        self._pending = [{"type": "http.request", "body": body, "more_body": more}]
        if more and self.disconnected:
            self._pending = [*self._pending, {"type": "http.disconnect"}]

    async def receive(self) -> Message:
        """Takes the place of the server's ``receive``: the body first, then what really comes.

        After the body it waits for the server: an early ``http.disconnect`` would cancel the
        request.
        """
        if self._given < len(self._pending):
            self._given += 1
            return self._pending[self._given - 1]
        message = await self._real()
        if message["type"] == "http.disconnect":
            self.disconnected = True
        return message
