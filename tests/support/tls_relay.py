"""Puts TLS before a server that has none, as many clusters do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.certificates import Certificates
from tests.support.listening import accept_no_more

__all__ = ["tls_relay"]


@asynccontextmanager
async def tls_relay(certificates: Certificates, port: int, target: int) -> AsyncIterator[None]:
    """Takes TLS connections on a port of this machine, and hands them on to another as they are."""
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        for source, into in ((reader, back), (there, writer)):
            task = asyncio.create_task(_copy(source, into))
            relays.add(task)
            task.add_done_callback(relays.discard)

    context = certificates.server_context()
    async with await asyncio.start_server(relay, "127.0.0.1", port, ssl=context) as server:
        yield
        await accept_no_more(server)
    for task in relays:
        task.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        try:
            while data := await source.read(65_536):
                into.write(data)
                await into.drain()
        finally:
            into.close()
