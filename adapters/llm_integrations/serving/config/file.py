"""The whole file, checked when it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, ConfigDict, Field, ValidationError, field_validator

from llm_integrations.core.documents import parse_yaml
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import reason_of
from llm_integrations.core.registry import Registry
from llm_integrations.serving.config.auth import AuthConfig
from llm_integrations.serving.config.events import EventsConfig
from llm_integrations.serving.config.quarantine import QuarantineConfig
from llm_integrations.serving.config.registry import RegistryConfig, ValidationConfig
from llm_integrations.serving.config.rules import RuleConfig
from llm_integrations.serving.config.section import Section

__all__ = ["CONFIG_VARIABLE", "MiddlewareConfig", "file_of", "load_config"]

CONFIG_VARIABLE = "LLM_INTEGRATIONS_SERVING_CONFIG"


class MiddlewareConfig(Section):
    """Everything that the middleware can be told."""

    model_config = ConfigDict(title="llm-integrations: serving middleware")

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
    auth: Literal["auto", "header", "none"] | AuthConfig = Field(
        default="auto",
        description="Who is told about schemas. auto asks the server's own check of API keys; "
        "where none is within reach, nobody. header is for a check that is out of reach: nobody. "
        "none tells everybody. keys_env names the keys to compare.",
    )
    content_types: Literal["json", "any"] = Field(
        default="json",
        description="json refuses requests of another content type with 415; any reads them as "
        "JSON whatever it says, except forms. Without a content type, a body is JSON.",
    )
    max_body: int = Field(
        default=64 * 2**20,
        ge=1,
        validation_alias=AliasChoices("max_body", "max_body_bytes"),
        description="Bytes. Larger requests get 413.",
    )
    max_answer: int = Field(
        default=16 * 2**20,
        ge=1,
        description="Bytes of an answer, or characters of a stream's text, that are held to be "
        "judged. A larger one is 502 under enforce, and passes unjudged under warn.",
    )
    max_event: int = Field(
        default=16 * 2**20,
        ge=1,
        validation_alias=AliasChoices("max_event", "max_event_bytes"),
        description="Bytes of a stream's event; a larger one is as a larger answer.",
    )
    events: EventsConfig = EventsConfig()
    quarantine: QuarantineConfig | None = Field(
        default=None, description="A folder for invalid answers, or the options."
    )
    routes: bool = Field(default=False, description="Serve /schemas/health and /schemas/rules.")
    reload: float = Field(
        default=2.0,
        ge=0,
        description="Look at this file every so many seconds, and follow it when it changes; a "
        "file that is wrong changes nothing. 0 or false is never.",
    )
    strict_routes: bool = Field(
        default=False,
        description="End the start if a route of the app infers and no rule is for its path; "
        "else that is a warning. A rule whose sides are off is for its paths too.",
    )

    @field_validator("quarantine", mode="before")
    @classmethod
    def _folder_alone(cls, given: object) -> object:
        return {"folder": given} if isinstance(given, str) else given

    def open_registry(self) -> Registry:
        """A client that is not connected yet. Raises ConfigurationError."""
        given = self.registry
        options = given if isinstance(given, RegistryConfig) else RegistryConfig(url=given)
        return options.open(self.validation.options())


def load_config(
    source: MiddlewareConfig | Mapping[str, Any] | str | Path | None = None,
    *,
    variable: str = CONFIG_VARIABLE,
) -> MiddlewareConfig:
    """Read and check a configuration.

    Args:
        source: the values, a YAML file, or None for the file that the environment names.
        variable: by which the environment names it.

    Raises:
        ConfigurationError: with one line for each thing that is wrong, and where.
    """
    if isinstance(source, MiddlewareConfig):
        return source
    if isinstance(source, Mapping):
        return _checked(source, "the middleware's configuration")
    path = file_of(source, variable)
    if path is None:
        raise ConfigurationError(f"set {variable} to the path of the middleware's YAML file")
    return _checked(_read(path), str(path))


def file_of(source: object, variable: str) -> Path | None:
    """The file that a configuration is read from, if it is."""
    path = source or os.environ.get(variable)
    return Path(path) if isinstance(path, str | Path) else None


def _read(path: Path) -> object:
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), merge=True)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {reason_of(error)}") from None
    except ValueError as error:
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
