"""Whether a request may be judged at all: strangers must not learn about schemas.

This middleware runs before the server's own check of API keys. A request that the server is
about to refuse is left alone, so that it gets the server's 401 and nothing of ours.
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from llm_integrations.core.observability import get_logger
from llm_integrations.serving.asgi.types import ASGIApp, Message, Receive, Scope, Send, drop

__all__ = ["Gate", "gate_for"]

log = get_logger(__name__)

_KEY_VARIABLE: Final = "VLLM_API_KEY"
_REACHED: Final = "llm_integrations.admitted"
_GUARDED: Final = "/v1/schemas"  # the server checks keys below /v1, so ours are checked as there


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
        return await self.admits({**scope, "path": _GUARDED, "root_path": ""}, headers)


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
    """

    def __init__(self, check: Any) -> None:
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


async def _reached(scope: Scope, _receive: Receive, _send: Send) -> None:
    scope[_REACHED] = True


async def _no_body() -> Message:
    return {"type": "http.disconnect"}


def gate_for(app: ASGIApp, setting: Literal["auto", "header", "none"]) -> Gate:
    """The gate for an app, by what is found inside it and what the configuration says."""
    if setting == "none":
        return OpenGate()
    if setting == "header":
        return HeaderGate()
    check = _find_check(app)
    if check is not None:
        return ServerGate(check)
    return HeaderGate() if os.environ.get(_KEY_VARIABLE) else OpenGate()


def _find_check(app: Any) -> Any | None:
    """The middleware that verifies tokens, if it is further inside."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        if callable(getattr(app, "verify_token", None)) and hasattr(app, "app"):
            return app
        app = getattr(app, "app", None) or getattr(app, "middleware_stack", None)
    return None
