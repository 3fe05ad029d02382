"""The public names of the vLLM adapter, as people use them. Type-checked, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from starlette.applications import Starlette
from starlette.middleware import Middleware

from llm_integrations.core.events import EventListener, SchemaEvent
from llm_integrations.core.registry import RegisteredSchema, connect
from llm_integrations.vllm import (
    MiddlewareConfig,
    ModelServingIntegration,
    SchemaMiddleware,
    load_config,
)


def on_an_app() -> None:
    registry = connect("file://schemas")
    config = {"rules": [{"output": {"schema": "user-profile@latest"}}]}
    app = Starlette(middleware=[Middleware(SchemaMiddleware, config=config, registry=registry)])
    app.add_middleware(SchemaMiddleware, config=Path("vllm.yaml"))
    app.add_middleware(SchemaMiddleware)
    SchemaMiddleware(app, "vllm.yaml", registry="http://127.0.0.1:8081")
    assert_type(load_config("vllm.yaml"), MiddlewareConfig)


async def on_the_event_side(event: SchemaEvent) -> None:
    integration = ModelServingIntegration("file://schemas", references=["user-profile@latest"])
    await integration.handle_schema_event(event)
    assert_type(await integration.get_schema("user-profile@1"), RegisteredSchema)
    async with EventListener(integrations=[integration], buses=["memory://"]):
        pass
    integration.sync.handle_schema_event(event)
