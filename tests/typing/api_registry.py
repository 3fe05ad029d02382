"""The registry client as users write it. Type-checked by mypy and pyright, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from llm_integrations.core.config import (
    ApiKeyAuth,
    BasicAuth,
    BearerAuth,
    BreakerOptions,
    CacheOptions,
    RetryOptions,
    TLSOptions,
    ValidationOptions,
)
from llm_integrations.core.evolution import CompatibilityReport
from llm_integrations.core.integration import LLMModuleIntegration, SyncIntegration
from llm_integrations.core.registry import (
    AsyncRegistry,
    Latest,
    RegisteredSchema,
    Registry,
    RegistryHealth,
    SchemaRef,
    SchemaReference,
    connect,
    resolve_registry,
)
from llm_integrations.core.validation import ValidationReport, Validator

Version = int | str


def connecting() -> None:
    assert_type(connect(), Registry)
    connect("memory://")
    connect(Path("schemas"))
    connect(["https://a", "https://b"], auth=BasicAuth("user", "password"))
    connect(
        "llm+https://registry", auth=BearerAuth("token"), tls=TLSOptions(ca="ca.pem", password="p")
    )
    connect("http://localhost:8081", auth=ApiKeyAuth("key"), allow_insecure=True)
    connect(
        "https://registry",
        cache=CacheOptions(
            maxsize=10_000,
            ttl=300.0,
            stale_while_revalidate=60.0,
            refresh_wait=0.5,
            stale_ttl=86_400.0,
            negative_ttl=5.0,
        ),
        retry=RetryOptions(attempts=3, base=0.1, cap=2.0, deadline=10.0),
        breaker=BreakerOptions(failures=5, reset_timeout=30.0),
        timeout=5.0,
        validation=ValidationOptions(),
        auth=None,
        tls=None,
        bus=None,
    )
    assert_type(resolve_registry(None), Registry)
    connect(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no URL
    connect("memory://", cache={"ttl": 5})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no dicts


def calling(registry: Registry, body: dict[str, Any]) -> None:
    assert_type(registry.get("user@2.0.0"), RegisteredSchema)
    assert_type(registry.get(SchemaRef("user", 2)), RegisteredSchema)
    assert_type(registry.get_by_id(5), RegisteredSchema)
    assert_type(registry.find("user"), RegisteredSchema)
    assert_type(registry.peek("user"), RegisteredSchema | None)
    assert_type(registry.subjects(), list[str])
    assert_type(registry.versions("user"), list[Version])
    assert_type(registry.latest(), Latest)
    assert_type(registry.validator("user", options=ValidationOptions()), Validator)
    assert_type(registry.ready_validator("user"), Validator | None)
    assert_type(registry.validate("user", {}), ValidationReport)
    assert_type(
        registry.register(
            "user",
            body,
            version="2.0.0",
            metadata={"owner": "team-a"},
            references=[SchemaReference("address.json", "address", 1)],
            compatibility="BACKWARD",
        ),
        RegisteredSchema,
    )
    assert_type(
        registry.check_compatibility("user", body, level="BACKWARD", policy="lenient"),
        CompatibilityReport,
    )
    assert_type(registry.delete_subject("user"), list[Version])
    assert_type(registry.health(), RegistryHealth)
    with registry as same:
        assert_type(same, Registry)
    registry.get(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # an id is no reference


async def awaiting(registry: Registry, body: dict[str, Any]) -> None:
    assert_type(registry.aio, AsyncRegistry)
    assert_type(await registry.aio.get("user"), RegisteredSchema)
    assert_type(await registry.aio.validator("user"), Validator)
    assert_type(await registry.aio.register("user", body), RegisteredSchema)
    assert_type(await registry.aio.versions("user"), list[Version])
    assert_type(registry.aio.peek("user"), RegisteredSchema | None)
    async with registry.aio as aio:
        assert_type(aio, AsyncRegistry)


async def integrating(module: LLMModuleIntegration) -> None:
    assert_type(await module.validate_data(5, {}), ValidationReport)
    assert_type(await module.get_schema("user@latest"), RegisteredSchema)
    assert_type(await module.health_check(), RegistryHealth)
    assert_type(module.sync, SyncIntegration)
    assert_type(module.sync.validate_data("user", {}), ValidationReport)


def running(registry: Registry) -> None:
    async def number() -> int:
        return 1

    assert_type(registry.run(number()), int)
