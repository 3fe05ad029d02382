"""Type-checked, never run: the middleware in front of any OpenAI-compatible app."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware

from llm_integrations.core.registry import connect
from llm_integrations.serving.middleware import SchemaMiddleware


def on_an_app() -> None:
    config = {"rules": [{"output": {"schema": "user-profile@latest"}}]}
    registry = connect("file://schemas")
    app = Starlette(middleware=[Middleware(SchemaMiddleware, config=config, registry=registry)])
    app.add_middleware(SchemaMiddleware, config="serving.yaml")
    SchemaMiddleware(app, "serving.yaml", registry="http://127.0.0.1:8081")
