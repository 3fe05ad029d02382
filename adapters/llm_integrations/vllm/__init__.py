"""vLLM: the serving middleware, with the server's own key check and constrained decoding."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("vllm", "pydantic")

from llm_integrations.serving import MiddlewareConfig  # noqa: E402 - the extra comes first
from llm_integrations.vllm.middleware import (  # noqa: E402
    ModelServingIntegration,
    SchemaMiddleware,
    load_config,
)
from llm_integrations.vllm.offline import constraint_for  # noqa: E402

__all__ = [
    "MiddlewareConfig",
    "ModelServingIntegration",
    "SchemaMiddleware",
    "constraint_for",
    "load_config",
]
