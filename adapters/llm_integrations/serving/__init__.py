"""An ASGI middleware that judges requests and answers of any OpenAI-compatible server."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("vllm", "pydantic")
