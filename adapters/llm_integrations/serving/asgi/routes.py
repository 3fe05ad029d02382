"""/schemas/health and /schemas/rules: what is in force, to look at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final

from llm_integrations.core.errors import RegistryError
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.serving.asgi.gate import Gate
from llm_integrations.serving.asgi.layers import OwnReplies
from llm_integrations.serving.asgi.replies import json_reply
from llm_integrations.serving.asgi.types import ASGIApp, Receive, Scope, Send
from llm_integrations.serving.rules.client_schemas import CLIENT
from llm_integrations.serving.rules.named import SchemaSource
from llm_integrations.serving.rules.rule import OutputRule, Rule
from llm_integrations.serving.runtime.runtime import Runtime

__all__ = ["Routes"]

_UNAUTHORIZED: Final = {"error": "Unauthorized"}
_BY_CLIENT: Final = {"schema": CLIENT}
_NOT_KEPT: Final = ((b"cache-control", b"no-store"),)


class Routes:
    """The two routes. Read only, and for whoever the server lets in."""

    def __init__(self, runtime: Runtime, gate: Callable[[], Gate], app: ASGIApp) -> None:
        self._replies = OwnReplies(app)
        self._runtime = runtime
        self._gate = gate

    async def health(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await self._admitted(scope, send):
            report = await self._health()
            await self._reply(send, scope, 200 if report["ok"] else 503, report)

    async def rules(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await self._admitted(scope, send):
            rules = [self._rule(rule) for rule in self._runtime.rules.rules()]
            await self._reply(send, scope, 200, {"rules": rules})

    async def _admitted(self, scope: Scope, send: Send) -> bool:
        if not await self._gate().admits_to_schemas(scope):
            await self._reply(send, scope, 401, _UNAUTHORIZED)
            return False
        if scope["method"] not in ("GET", "HEAD"):
            await self._reply(send, scope, 405, {"error": "Method Not Allowed"})
            return False
        return True

    async def _health(self) -> dict[str, Any]:
        registry = self._runtime.registry
        try:
            health = await registry.aio.health()
            ok, breaker = health.ok, health.breaker
            rejected = health.detail.get("rejected", {})
        except RegistryError:
            ok, breaker, rejected = False, "unknown", {}
        listening = await asyncio.to_thread(self._runtime.follower.health)
        return {
            "ok": ok and listening is not False,
            "registry": {"url": registry.url, "ok": ok, "breaker": breaker},
            # A newer version, or file, that cannot be used: the last good one is in force.
            "rejected": {**rejected, **self._runtime.rejected},
            "events": listening,
            "process": os.getpid(),
        }

    def _rule(self, rule: Rule) -> dict[str, Any]:
        return {
            "name": rule.name,
            "paths": rule.config.paths,
            "models": rule.config.models,
            "input": rule.input
            and {
                "mode": rule.input.judge.mode,
                "checks": [
                    {"of": check.of, **self._schema(check.source)} for check in rule.input.checks
                ],
            },
            "output": rule.output and self._output(rule.output),
        }

    def _output(self, side: OutputRule) -> dict[str, Any]:
        checks = [{"of": check.of, **self._schema(check.source)} for check in side.checks]
        return {
            "mode": side.judge.mode,
            **(_BY_CLIENT if side.by_client else self._schema(side.source)),
            **({"checks": checks} if checks else {}),
            "tools": {name: self._in_force(ref) for name, ref in side.tools.items()},
            "constrain": side.config.constrain,
        }

    def _schema(self, source: SchemaSource) -> dict[str, Any]:
        if source.own is None:
            return {"schema": None}
        return self._in_force(source.own.reference)

    def _in_force(self, reference: str | SchemaRef) -> dict[str, Any]:
        found = self._runtime.registry.peek(reference)
        version = None if found is None else found.version
        return {"schema": str(reference), "version": version}

    async def _reply(self, send: Send, scope: Scope, status: int, content: Any) -> None:
        messages = json_reply(status, content, _NOT_KEPT, head=scope["method"] == "HEAD")
        await self._replies.send(scope, send, messages)
