"""The middleware in front of a server of which only the URL is known."""

from __future__ import annotations

import re
from typing import Any, Final

from llm_integrations.serving.middleware import SchemaMiddleware
from llm_integrations.serving.rules.paths import canonical
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.runtime.runtime import Runtime

__all__ = ["UpstreamMiddleware"]

_UNDER_A_PREFIX: Final = re.compile(
    r"(?!.*/threads/).+?(/v1/(?:chat/completions(?:/batch)?|completions|responses|messages)"
    r"|/chat/completions|/completions|/responses|/invocations)"
)


class UpstreamMiddleware(SchemaMiddleware):
    """Rules count under any prefix: ``/api/v1/chat/completions`` is ``/v1/chat/completions``."""

    def _planners(self, runtime: Runtime, path: str) -> tuple[Planner, ...]:
        found = super()._planners(runtime, path)
        known = None if found else _UNDER_A_PREFIX.fullmatch(canonical(path))
        return found if known is None else super()._planners(runtime, known[1])

    def _made(self, config: Any) -> Runtime:
        runtime = super()._made(config)
        # Most servers of the web do, and asking one twice costs an answer.
        runtime.compresses = True
        return runtime
