"""An ASGI middleware that judges requests and answers of any OpenAI-compatible server.

The rooms, each of which knows only those below it:

- ``upstream``: the middleware in front of a URL: a transport for clients, a proxy.
- ``middleware``: what an app adds, and how it starts and stops.
- ``asgi``: what passes through: bodies, replies, streams, keys, the middleware's own routes.
- ``runtime``: what the configuration becomes, shared by all requests.
- ``judging``: the verdict on a request or an answer, and how the client hears of it.
- ``rules``: which requests are judged, by which schemas.
- ``shapes``: how the endpoints write requests, replies, streams and errors.
- ``config``: the YAML file.

What one server has of its own, as vLLM, is a ``runtime.server.Server`` that its adapter fills in.
"""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("serving", "pydantic")

from llm_integrations.serving.config.file import MiddlewareConfig, load_config  # noqa: E402 - extra first
from llm_integrations.serving.middleware import SchemaMiddleware  # noqa: E402
from llm_integrations.serving.runtime.integration import ModelServingIntegration  # noqa: E402
from llm_integrations.serving.upstream.transport import SchemaTransport  # noqa: E402

__all__ = [
    "MiddlewareConfig",
    "ModelServingIntegration",
    "SchemaMiddleware",
    "SchemaTransport",
    "load_config",
]
