"""A transport that is not async, where an async one is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx

from llm_integrations.serving.upstream.library import library_of

__all__ = ["InThreads"]


class InThreads(httpx.AsyncBaseTransport):
    """Makes each call of a sync transport in a thread."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        whole = library_of(self._transport).Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=await request.aread(),
            extensions=request.extensions,
        )
        response = await asyncio.to_thread(self._transport.handle_request, whole)
        return httpx.Response(
            response.status_code, headers=response.headers.raw, stream=_Stream(response)
        )

    async def aclose(self) -> None:
        await asyncio.to_thread(self._transport.close)


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: Any) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self._response.stream)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    async def aclose(self) -> None:
        await asyncio.to_thread(self._response.close)
