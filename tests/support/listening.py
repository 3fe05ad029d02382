"""Servers that stop without losing a connection on its way in."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

__all__ = ["UvicornServer", "accept_no_more"]


async def accept_no_more(server: asyncio.Server) -> None:
    """Let what was accepted reach its handler; call it before ``server.close()``.

    asyncio drops a connection that was accepted in the moment of ``close()`` without closing it,
    and whichever test runs when that is collected would fail.
    """
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(4):  # accepted, connected, handed to a task, begun
        await asyncio.sleep(0)


class UvicornServer(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            await accept_no_more(server)
        await super().shutdown(sockets)
