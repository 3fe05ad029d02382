"""The middleware in front of a server of which only the URL is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry
from llm_integrations.serving.asgi.app_routes import may_infer
from llm_integrations.serving.asgi.refusal import Refuser
from llm_integrations.serving.asgi.types import ASGIApp, Receive, Scope, Send
from llm_integrations.serving.config.file import MiddlewareConfig, load_config
from llm_integrations.serving.middleware import SchemaMiddleware
from llm_integrations.serving.rules.paths import canonical
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.runtime.runtime import Runtime
from llm_integrations.serving.shapes.failure import Failure

__all__ = ["UpstreamMiddleware"]

log = get_logger(__name__)

_UNDER_A_PREFIX: Final = re.compile(
    r"(?!.*/threads/).+?(/v1/(?:chat/completions(?:/batch)?|completions|responses|messages)"
    r"|/chat/completions|/completions|/responses|/invocations)",
    re.DOTALL,
)
_MOST_TOLD: Final = 1000
_CLOSED: Final = Failure(404, "NotFoundError", "no rule is for this path")


class UpstreamMiddleware(SchemaMiddleware):
    """Rules count under any prefix: ``/api/v1/chat/completions`` is ``/v1/chat/completions``.

    No routes can be read here, so a path that infers and has no rule is told of when it is asked
    for, and closed with ``strict_routes``.

    Args:
        adapt: what a configuration becomes, each time that it is read.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: Any = None,
        *,
        registry: Registry | str | None = None,
        adapt: Callable[[MiddlewareConfig], MiddlewareConfig] = lambda given: given,
    ) -> None:
        super().__init__(app, config, registry=registry)
        self._adapt = adapt
        self._told: set[str] = set()

    def _planners(self, runtime: Runtime, path: str) -> tuple[Planner, ...]:
        found = super()._planners(runtime, path)
        known = None if found else _UNDER_A_PREFIX.fullmatch(canonical(path))
        return found if known is None else super()._planners(runtime, known[1])

    def _made(self, config: Any) -> Runtime:
        given = load_config(config, variable=self.server.config_variable)
        runtime = super()._made(self._adapt(given))
        # Most servers of the web do, and asking one twice costs an answer.
        runtime.compresses = runtime.is_elsewhere = True
        return runtime

    def _check_routes(self, runtime: Runtime) -> None:
        return

    def _pass_by(self, path: str) -> Any:
        infers, config = may_infer(canonical(path)), self._runtime and self._runtime.config
        if infers and config and config.strict_routes:
            return self._close
        if infers and path not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(path)
            log.warning("no rule is for %s: requests there pass unjudged", ascii(path))
        return None

    async def _close(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await Refuser(self.app).refuse(scope, send, _CLOSED)
