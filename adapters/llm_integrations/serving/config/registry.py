"""The registry, and how data is judged by what comes from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from llm_integrations.core.config import (
    ApiKeyAuth,
    Auth,
    BasicAuth,
    BearerAuth,
    CacheOptions,
    TLSOptions,
    ValidationOptions,
)
from llm_integrations.core.registry import Registry, connect
from llm_integrations.serving.config.section import Section, secret_from

__all__ = ["RegistryConfig", "ValidationConfig"]


class RegistryConfig(Section):
    """Where schemas come from. Secrets are named by environment variable, never written here."""

    url: str | tuple[str, ...] | None = Field(
        default=None, description="Else LLM_INTEGRATIONS_REGISTRY_URL."
    )
    timeout: float = Field(
        default=5.0, gt=0, description="Seconds for one request to the registry."
    )
    ttl: float = Field(default=300.0, ge=0, description="Seconds that a schema counts as fresh.")
    stale_ttl: float = Field(
        default=86_400.0,
        ge=0,
        description="Seconds after that while a copy serves if the registry fails.",
    )
    stale_while_revalidate: float = Field(
        default=60.0,
        ge=0,
        description="Seconds after its ttl while a copy serves at once and is refreshed behind.",
    )
    refresh_wait: float = Field(
        default=0.5,
        ge=0,
        description="Seconds that a request waits, beyond that, for a refresh before the copy.",
    )
    bearer_env: str | None = Field(
        default=None, description="Environment variable with a bearer token."
    )
    api_key_env: str | None = Field(
        default=None, description="Environment variable with an X-API-Key."
    )
    username: str | None = Field(default=None, description="User name for basic authentication.")
    password_env: str | None = Field(
        default=None, description="Environment variable with its password."
    )
    ca: str | None = Field(
        default=None, description="PEM file of the registry's certificate authority."
    )
    cert: str | None = Field(default=None, description="PEM file of a client certificate.")
    key: str | None = Field(default=None, description="PEM file of its private key.")
    key_password_env: str | None = Field(
        default=None, description="Environment variable with the password of an encrypted key."
    )
    allow_insecure: bool = Field(
        default=False,
        description="Send credentials over plain http to a host that is not loopback.",
    )

    @model_validator(mode="after")
    def _one_credential(self) -> RegistryConfig:
        given = [n for n in ("bearer_env", "api_key_env", "username") if getattr(self, n)]
        if len(given) > 1:
            raise ValueError(f"give only one of {', '.join(given)}")
        if (self.username is None) != (self.password_env is None):
            raise ValueError("username and password_env belong together")
        return self

    def open(self, validation: ValidationOptions) -> Registry:
        return connect(
            self.url,
            timeout=self.timeout,
            cache=CacheOptions(
                ttl=self.ttl,
                stale_ttl=self.stale_ttl,
                stale_while_revalidate=self.stale_while_revalidate,
                refresh_wait=self.refresh_wait,
            ),
            validation=validation,
            auth=self._auth(),
            tls=self._tls(),
            allow_insecure=self.allow_insecure,
        )

    def _tls(self) -> TLSOptions | None:
        if not (self.ca or self.cert):
            return None
        named = self.key_password_env
        return TLSOptions(
            self.ca, self.cert, self.key, secret_from("registry", named) if named else None
        )

    def _auth(self) -> Auth | None:
        if self.bearer_env:
            return BearerAuth(secret_from("registry", self.bearer_env))
        if self.api_key_env:
            return ApiKeyAuth(secret_from("registry", self.api_key_env))
        if self.username and self.password_env:
            return BasicAuth(self.username, secret_from("registry", self.password_env))
        return None


class ValidationConfig(Section):
    """How data is judged; see ``ValidationOptions``."""

    formats: bool = True
    regex: Literal["linear", "bounded"] = "linear"
    max_depth: int = Field(default=200, ge=1, le=250)
    max_errors: int = Field(default=100, ge=1)
    max_steps: int = Field(default=100_000, ge=1)
    show_values: bool = Field(default=False, description="Quote data in error messages and logs.")
    rules: Literal["judge", "require", "ignore"] = Field(
        default="judge",
        description="Rules beside a schema: judge by those that can be, take others for an error, "
        "or leave them alone.",
    )

    def options(self) -> ValidationOptions:
        return ValidationOptions(**self.model_dump())
