"""One request of a client, taken through an ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx

from llm_integrations.serving.asgi.types import ASGIApp, Message, Scope

__all__ = ["Exchange"]


class Exchange:
    """Calls the app in a task of its own, and holds the pieces of its response's body.

    The app waits for whoever reads them; closing ends the app's work.

    Args:
        app: called once.
        scope: of the request.
        body: the whole of it.
    """

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._body: bytes | None = body
        self._start: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(maxsize=1)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Message:
        """The start of the response. Raises what the app raises."""
        self._task = asyncio.create_task(self._run())
        try:
            return await self._start
        except BaseException:
            await self.aclose()
            raise

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - it is raised where the response is awaited
            if self._start.done():
                await self._pieces.put(error)
            else:
                self._start.set_exception(error)
            return
        if not self._start.done():
            self._start.set_exception(httpx.RemoteProtocolError("there was no response"))
        await self._pieces.put(None)

    async def _receive(self) -> Message:
        if self._body is None:
            await asyncio.Event().wait()  # whoever closes the stream cancels the task
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start.set_result(message)
        elif piece := message.get("body", b""):
            await self._pieces.put(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None:
        task: asyncio.Task[Any] | None = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
