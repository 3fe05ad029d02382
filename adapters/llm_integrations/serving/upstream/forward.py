"""The app behind the middleware where the server is elsewhere: requests go on over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import httpx

from llm_integrations.serving.asgi.types import Headers, Message, Receive, Scope, Send

__all__ = ["Forward"]

_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"}
    | {b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)


class Forward:
    """An ASGI app that asks a server through a transport of httpx, and answers what it answers.

    Bodies stream both ways as fast as their readers take them. A client that leaves ends the
    request to the server.

    Args:
        transport: an async one of httpx or httpx2; it keeps connections, and who made it closes it.
        request_to: makes the request to send, given a scope and the rest of what it consists of.
    """

    def __init__(
        self,
        transport: Any,
        request_to: Callable[[Scope, Headers, AsyncIterator[bytes] | None], Any],
    ) -> None:
        self._transport = transport
        self._request_to = request_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_sent = asyncio.Event()
        pump = asyncio.ensure_future(self._pump(scope, receive, send, is_sent))
        gone = asyncio.ensure_future(_gone(receive, is_sent))
        try:
            await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
        finally:
            for task in (pump, gone):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _pump(
        self, scope: Scope, receive: Receive, send: Send, is_sent: asyncio.Event
    ) -> None:
        given = scope["headers"]
        body = _body(receive, is_sent) if _has_body(given) else None
        if body is None:
            is_sent.set()
        request = self._request_to(scope, _end_to_end(given), body)
        response = await self._transport.handle_async_request(request)
        try:
            headers = [(name.lower(), value) for name, value in response.headers.raw]
            start: Message = {"type": "http.response.start", "status": response.status_code}
            await send({**start, "headers": _end_to_end(headers)})
            async for chunk in response.stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await response.aclose()


def _has_body(headers: Headers) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


async def _body(receive: Receive, is_sent: asyncio.Event) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise httpx.WriteError("the client left before the end of its request")
        more = message.get("more_body", False)
        yield message.get("body", b"")
    is_sent.set()


async def _gone(receive: Receive, is_sent: asyncio.Event) -> None:
    """Return when the client has left, of which one hears only after its request."""
    await is_sent.wait()
    while (await receive())["type"] != "http.disconnect":
        continue


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers that are not about one connection."""
    given = list(headers)
    named = {
        token.strip().lower()
        for name, value in given
        if name == b"connection"
        for token in value.split(b",")
    }
    return [item for item in given if item[0] not in _HOP_BY_HOP and item[0] not in named]
