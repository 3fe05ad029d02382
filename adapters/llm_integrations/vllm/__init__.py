"""vLLM: an ASGI middleware that judges requests and answers by the schemas of a registry."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("vllm", "pydantic")

from llm_integrations.serving.config import MiddlewareConfig, load_config  # noqa: E402 - extra first
from llm_integrations.serving.middleware import SchemaMiddleware  # noqa: E402
from llm_integrations.serving.runtime.integration import ModelServingIntegration  # noqa: E402

__all__ = ["MiddlewareConfig", "ModelServingIntegration", "SchemaMiddleware", "load_config"]
