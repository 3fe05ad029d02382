"""The public names of the serving adapter, as people use them. Type-checked, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from starlette.applications import Starlette
from starlette.middleware import Middleware

from llm_integrations.core.registry import connect
from llm_integrations.serving import (
    MiddlewareConfig,
    ModelServingIntegration,
    SchemaMiddleware,
    load_config,
)


def on_an_app() -> None:
    registry = connect("file://schemas")
    config = {"rules": [{"output": {"schema": "user-profile@latest"}}], "auth": "none"}
    app = Starlette(middleware=[Middleware(SchemaMiddleware, config=config, registry=registry)])
    app.add_middleware(SchemaMiddleware, config=Path("serving.yaml"))
    app.add_middleware(SchemaMiddleware)
    SchemaMiddleware(app, "serving.yaml", registry="http://127.0.0.1:8081")
    assert_type(load_config("serving.yaml"), MiddlewareConfig)
    ModelServingIntegration(registry, references=["user-profile@latest"])
