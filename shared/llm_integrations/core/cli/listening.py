"""Commands that listen: an ASGI app under uvicorn."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError

__all__ = ["listen", "run_server"]


def listen(
    host: str, port: int, error: type[LLMIntegrationsError] = ConfigurationError
) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises ``error`` where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as cause:
        listener.close()
        raise error(f"cannot listen on {host}:{port}: {cause.strerror}") from cause
    return listener


def run_server(
    app: Any,
    listener: socket.socket,
    cert: Path | None,
    key: Path | None,
    *,
    finally_do: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until a signal ends it. Nothing of a request is logged: its URL may hold a key."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        lifespan="on",
        access_log=False,
        server_header=False,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    scheme = "https" if cert else "http"
    host, port = listener.getsockname()[:2]
    print(f"listening on {scheme}://{host}:{port}", file=sys.stderr, flush=True)

    async def main() -> None:
        try:
            await uvicorn.Server(config).serve(sockets=[listener])
        finally:
            if finally_do is not None:
                await finally_do()

    try:
        with listener:
            asyncio.run(main())
    except KeyboardInterrupt:
        return
    except SystemExit:
        raise ConfigurationError("the server did not start; its log says why") from None
