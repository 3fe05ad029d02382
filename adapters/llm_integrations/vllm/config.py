"""The middleware's YAML file, checked when it is read.

Its JSON Schema ships beside this module (``config.schema.json``), for editors and for CI.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.reference import SchemaRef

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_PATHS",
    "CheckConfig",
    "EventsConfig",
    "InputConfig",
    "MiddlewareConfig",
    "NamedBy",
    "OutputConfig",
    "RegistryConfig",
    "RuleConfig",
    "ValidationConfig",
    "WebhookReceiverConfig",
    "load_config",
]

CONFIG_VARIABLE = "LLM_INTEGRATIONS_VLLM_CONFIG"

DEFAULT_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")

ShapeName = Literal["chat", "completions", "responses", "messages", "json"]


def _reference(text: str) -> str:
    try:
        SchemaRef.parse(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
    return text


Reference = Annotated[str, AfterValidator(_reference)]
Pointer = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]
Path_ = Annotated[str, Field(pattern=r"^/")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RegistryConfig(_Section):
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


class ValidationConfig(_Section):
    """How data is judged; see ``ValidationOptions``."""

    formats: bool = True
    regex: Literal["linear", "bounded"] = "linear"
    max_depth: int = Field(default=200, ge=1)
    max_errors: int = Field(default=100, ge=1)
    show_values: bool = Field(default=False, description="Quote data in error messages and logs.")

    def options(self) -> ValidationOptions:
        return ValidationOptions(**self.model_dump())


class NamedBy(_Section):
    """Lets the client name the schema, by a request header or by a field of the body."""

    header: str | None = Field(default=None, description="Request header that holds a reference.")
    field: Pointer | None = Field(default=None, description="JSON Pointer to a field of the body.")
    allow: tuple[str, ...] = Field(
        description="Subjects that a client may name; * stands for any text.", min_length=1
    )

    @model_validator(mode="after")
    def _somewhere(self) -> NamedBy:
        if self.header is None and self.field is None:
            raise ValueError("named_by needs a header or a field")
        return self


class _Judged(_Section):
    schema_ref: Reference | None = Field(
        default=None, alias="schema", description="subject@version, subject@latest or a subject."
    )
    named_by: NamedBy | None = None


class CheckConfig(_Judged):
    """One part of the request body and its schema."""

    of: str = Field(
        default="body",
        pattern=r"^(body|messages|(/[^/]+)+)$",
        description="body, messages (their text as JSON), or a JSON Pointer to a field.",
    )
    roles: tuple[str, ...] = Field(
        default=("user",), description="Messages of these roles (messages)."
    )
    which: Literal["last", "all"] = Field(default="last", description="Which of them (messages).")
    required: bool = Field(
        default=False, description="Whether the field must be there (a pointer)."
    )
    json_text: bool = Field(
        default=False, description="The field is text that holds JSON (a pointer)."
    )

    @model_validator(mode="after")
    def _has_schema(self) -> CheckConfig:
        if self.schema_ref is None and self.named_by is None:
            raise ValueError("a check needs a schema or named_by")
        return self


class InputConfig(_Section):
    """What must hold of a request before the model sees it."""

    mode: Mode = "enforce"
    on_unavailable: OnUnavailable | None = Field(
        default=None,
        description="No schema to judge by: raise answers 503. By default as mode says.",
    )
    checks: tuple[CheckConfig, ...] = Field(min_length=1)


class OutputConfig(_Judged):
    """What must hold of an answer."""

    mode: Mode = "warn"
    on_unavailable: OnUnavailable | None = Field(
        default=None,
        description="No schema to judge by: raise answers 503. By default as mode says.",
    )
    tools: Mapping[str, Reference] = Field(
        default_factory=dict, description="Schemas of tool-call arguments, by tool name."
    )
    on_length: Literal["judge", "skip", "invalid"] = Field(
        default="judge",
        description="An answer cut by the token limit is judged as it is, left unjudged, "
        "or never valid.",
    )
    retries: Literal[0, 1] = Field(
        default=0,
        description="Ask the model once more after an invalid answer (not when streaming).",
    )
    constrain: bool = Field(
        default=False,
        description="Put the schema into the request, so that decoding is constrained.",
    )


class WebhookReceiverConfig(_Section):
    """Take the registry's signed webhooks on a path of this server."""

    path: Path_ = "/schemas/webhook"
    secret_env: str = Field(description="Environment variable with the signing secret.")
    inbox: str = Field(
        default="schema-events.db",
        description="SQLite file for what was accepted; every API server process reads it.",
    )


class EventsConfig(_Section):
    """Where changes of schemas are heard. Without any, a new version counts once the TTL is over.

    Every API server process follows by itself.
    """

    watch: bool = Field(default=False, description="Watch the folder of a file registry.")
    poll: float | None = Field(
        default=None,
        gt=0,
        description="Ask the registry for its latest versions, every so many seconds.",
    )
    schemas_topic: str | None = Field(
        default=None, description="A Confluent registry's own topic: kafka://host:9092/_schemas."
    )
    buses: tuple[str, ...] = Field(
        default=(), description="kafka://host:9092/topic, amqp://host/vhost."
    )
    webhook: WebhookReceiverConfig | None = None


class RuleConfig(_Section):
    """Which requests, and what must hold of them and of their answers."""

    name: str | None = None
    paths: tuple[Path_, ...] = Field(default=DEFAULT_PATHS, min_length=1)
    models: tuple[str, ...] = Field(default=(), description="Model names, * stands for any text.")
    shape: ShapeName | None = Field(
        default=None,
        description="How to read bodies; by default what the path says, else plain JSON.",
    )
    input: InputConfig | None = None
    output: OutputConfig | None = None
    fill_tools: tuple[str, ...] = Field(
        default=(),
        description='Subjects that a tool may name as {"$ref": "schema:subject@version"}; '
        "the registry's schema is filled in.",
    )

    @model_validator(mode="after")
    def _does_something(self) -> RuleConfig:
        if self.input is None and self.output is None and not self.fill_tools:
            raise ValueError("a rule needs input, output or fill_tools")
        return self


class MiddlewareConfig(_Section):
    """Everything that the middleware can be told."""

    model_config = ConfigDict(title="llm-integrations: vLLM middleware")

    registry: str | RegistryConfig | None = Field(
        default=None, description="A URL, or the options; else LLM_INTEGRATIONS_REGISTRY_URL."
    )
    rules: tuple[RuleConfig, ...] = Field(
        min_length=1, description="The first rule that matches a request is its rule."
    )
    validation: ValidationConfig = ValidationConfig()
    default_model: str | None = Field(
        default=None, description="The model of a request that names none; else it matches any."
    )
    auth: Literal["auto", "header", "none"] = Field(
        default="auto",
        description="auto asks the server's own check, or wants an Authorization header where "
        "VLLM_API_KEY is set; header always wants one; none judges every request.",
    )
    content_types: Literal["json", "any"] = Field(
        default="json", description="any judges JSON bodies whatever their content type says."
    )
    max_body_bytes: int = Field(default=64 * 2**20, ge=1, description="Larger requests get 413.")
    max_event_bytes: int = Field(
        default=16 * 2**20, ge=1, description="Longest stream event judged."
    )
    events: EventsConfig = EventsConfig()
    routes: bool = Field(default=False, description="Serve /schemas/health and /schemas/rules.")


def load_config(
    source: MiddlewareConfig | Mapping[str, Any] | str | Path | None = None,
) -> MiddlewareConfig:
    """Read and check a configuration.

    Args:
        source: the values, a YAML file, or None for the file that the environment names.

    Raises:
        ConfigurationError: with one line for each thing that is wrong, and where.
    """
    if isinstance(source, MiddlewareConfig):
        return source
    if isinstance(source, Mapping):
        return _checked(source, "the middleware's configuration")
    path = source or os.environ.get(CONFIG_VARIABLE)
    if not path:
        raise ConfigurationError(f"set {CONFIG_VARIABLE} to the path of the middleware's YAML file")
    return _checked(_read(Path(path)), str(path))


def _read(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from None


def _checked(values: object, where: str) -> MiddlewareConfig:
    try:
        return MiddlewareConfig.model_validate(values)
    except ValidationError as error:
        lines = "".join(
            f"\n  {'.'.join(map(str, item['loc'])) or '(root)'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        )
        raise ConfigurationError(f"{where} is wrong:{lines}") from None
