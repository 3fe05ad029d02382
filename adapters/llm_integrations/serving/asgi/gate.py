"""Whether a request may be judged at all: strangers must not learn about schemas.

This middleware runs before the server's own check of API keys. A request that the server is
about to refuse is left alone, so that it gets the server's 401 and nothing of ours.
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from llm_integrations.core.observability import get_logger
from llm_integrations.serving.asgi.types import ASGIApp, Message, Receive, Scope, Send, drop
from llm_integrations.serving.runtime.runtime import Runtime

__all__ = ["Gate", "gate_for"]

log = get_logger(__name__)

_REACHED: Final = "llm_integrations.admitted"


class Gate(ABC):
    """Decides whether the server would let a request in.

    Attributes:
        open: whether it lets everything in, so that nobody has to ask.
    """

    open: ClassVar[bool] = False

    @abstractmethod
    async def admits(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool: ...

    async def admits_to_schemas(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """The same for our own routes."""
        return await self.admits(scope, headers)


class OpenGate(Gate):
    """Nobody is kept out."""

    open = True

    async def admits(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        return True


class HeaderGate(Gate):
    """A key is configured, and where it is checked is out of reach: want to see one at least."""

    async def admits(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        return b"authorization" in headers


class ServerGate(Gate):
    """Asks the server's own check: does this request get past it?

    Args:
        check: the server's authentication middleware; a copy of it is asked.
        guarded: the beginning of the paths that it wants a key for.
    """

    def __init__(self, check: Any, guarded: str) -> None:
        self._guarded = guarded
        self._check = copy.copy(check)
        self._check.app = _reached

    async def admits(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        probe = dict(scope)
        try:
            await self._check(probe, _no_body, drop)
        except Exception as error:  # noqa: BLE001 - the request itself will meet the same error
            log.warning("the server's own check failed: %s", type(error).__name__)
            return False
        return _REACHED in probe

    async def admits_to_schemas(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        path = f"{self._guarded}/schemas"
        return await self.admits({**scope, "path": path, "root_path": ""}, headers)


async def _reached(scope: Scope, _receive: Receive, _send: Send) -> None:
    scope[_REACHED] = True


async def _no_body() -> Message:
    return {"type": "http.disconnect"}


def gate_for(app: ASGIApp, runtime: Runtime) -> Gate:
    """The gate for an app, by what is found inside it and what the configuration says."""
    server, setting = runtime.server, runtime.config.auth
    if setting == "none":
        return OpenGate()
    if setting == "header":
        return HeaderGate()
    check = server.find_key_check(app)
    if check is not None:
        return ServerGate(check, server.guarded)
    return HeaderGate() if server.key_variable in os.environ else OpenGate()
