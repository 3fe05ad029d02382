"""Who asks. Strangers must not learn about schemas: not from errors, headers, or our own routes.

This middleware runs before the server's own check of API keys, so it asks that check, or compares
keys itself. Where neither can be, everybody is a stranger: judged like all others, told nothing.
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from llm_integrations.core.observability import get_logger
from llm_integrations.serving.asgi.types import (
    ASGIApp,
    Receive,
    Scope,
    Send,
    drop,
    no_body,
)
from llm_integrations.serving.config.auth import KEY_HEADERS, AuthConfig
from llm_integrations.serving.config.section import secret_from
from llm_integrations.serving.rules.callers import Keys
from llm_integrations.serving.runtime.runtime import Runtime

__all__ = ["Caller", "Gate", "gate_for"]

log = get_logger(__name__)

_REACHED: Final = "llm_integrations.admitted"


class Caller(Enum):
    KNOWN = "the server lets it in: it is told what is wrong"
    STRANGER = "nobody here can tell: judged, and told nothing"
    REFUSED = "the server lets it not in"


class Gate(ABC):
    """Tells who asks.

    Attributes:
        always: the answer where it is the same for everybody, so that nobody has to ask.
    """

    always: Caller | None = None

    @abstractmethod
    async def caller(self, scope: Scope) -> Caller: ...

    async def admits_to_schemas(self, scope: Scope) -> bool:
        """Whether our own routes answer."""
        return await self.caller(scope) is Caller.KNOWN


class SameForAll(Gate):
    """Nobody has a key, or nobody's key can be checked."""

    def __init__(self, caller: Caller) -> None:
        self.always = caller

    async def caller(self, scope: Scope) -> Caller:
        return self.always or Caller.STRANGER


class KeyGate(Gate):
    """Compares keys. A header that is sent twice has to be right twice.

    Args:
        keys: that count.
        headers: any of which may hold one, with or without ``Bearer``.
        otherwise: who comes without one of these keys.
    """

    def __init__(self, keys: Iterable[str], headers: Iterable[str], otherwise: Caller) -> None:
        self._keys = Keys(keys)
        self._headers = [header.lower().encode("latin-1") for header in headers]
        self._otherwise = otherwise

    async def caller(self, scope: Scope) -> Caller:
        for header in self._headers:
            given = [value for name, value in scope["headers"] if name == header]
            if given and all(map(self._keys.hold, given)):
                return Caller.KNOWN
        return self._otherwise


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

    async def caller(self, scope: Scope) -> Caller:
        found = await self._asked(scope)
        if found is Caller.KNOWN and not scope["path"].startswith(self._guarded):
            # A path that is open to everybody makes nobody known who has no key.
            found = await self._asked(self._guarded_scope(scope))
            return found if found is Caller.KNOWN else Caller.STRANGER
        return found

    def _guarded_scope(self, scope: Scope) -> Scope:
        return {**scope, "path": f"{self._guarded}/schemas", "root_path": ""}

    async def _asked(self, scope: Scope) -> Caller:
        probe = dict(scope)
        try:
            await self._check(probe, no_body, drop)
        except Exception as error:  # noqa: BLE001 - the request itself will meet the same error
            log.warning("the server's own check failed: %s", type(error).__name__)
        return Caller.KNOWN if _REACHED in probe else Caller.REFUSED

    async def admits_to_schemas(self, scope: Scope) -> bool:
        return await super().admits_to_schemas(self._guarded_scope(scope))


async def _reached(scope: Scope, _receive: Receive, _send: Send) -> None:
    scope[_REACHED] = True


def gate_for(app: ASGIApp, runtime: Runtime) -> Gate:
    """The gate for an app, by what is found inside it and what the configuration says.

    Raises:
        ConfigurationError: a key that the configuration names is not set.
    """
    server, setting = runtime.server, runtime.config.auth
    if isinstance(setting, AuthConfig):
        keys = [secret_from("auth", name) for name in setting.keys_env]
        return KeyGate(keys, setting.headers, Caller.REFUSED)
    if setting == "none":
        return SameForAll(Caller.KNOWN)
    check = server.find_key_check(app) if setting == "auto" else None
    if check is not None:
        return ServerGate(check, server.guarded)
    if key := os.environ.get(server.key_variable):
        return KeyGate([key], KEY_HEADERS, Caller.STRANGER)
    if setting == "auto":
        log.warning(
            "%s middleware: no check of API keys is within reach, so nobody is told why a request "
            "is refused; auth: none tells everybody, auth: {keys_env: …} whoever has a key",
            server.name,
        )
    return SameForAll(Caller.STRANGER)
