"""TCP and TLS for httpcore on asyncio's own streams: a delivery is one send and one receive.

The backend that httpcore brings sends head and body apart and asks the kernel for both addresses
with every request, which costs more than everything else in a delivery; see
docs/decisions/webhooks.md.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import httpcore

__all__ = ["AsyncioBackend"]

_CLOSE_TIMEOUT: Final = 1.0  # seconds


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses; for the event loop of asyncio only."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,  # noqa: ARG002 - as above
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                return _Stream(*await asyncio.open_connection(host, port))
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except OSError as error:
            raise httpcore.ConnectError(type(error).__name__) from error


class _Stream(httpcore.AsyncNetworkStream):
    """A stream that buffers writes and sends them in one piece at the next read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._unsent = bytearray()

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                await self._send()
                return await self._reader.read(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout from None
        except OSError as error:
            raise httpcore.ReadError(type(error).__name__) from error

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - nothing is waited for
    ) -> None:
        self._unsent += buffer

    async def _send(self) -> None:
        if self._unsent:
            self._writer.write(self._unsent)
            self._unsent = bytearray()
            await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.close()
        # Errors: the other side has closed already, or sends no TLS close_notify.
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._writer.wait_closed()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except BaseException as error:
            self._writer.close()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout from None
            if isinstance(error, OSError):
                raise httpcore.ConnectError(type(error).__name__) from error
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # that is: has the server closed an idle connection?
            return self._reader.at_eof() or self._writer.is_closing()
        return self._writer.get_extra_info(info)
