"""The middleware's YAML file.

Its JSON Schema ships beside this package (``config.schema.json``), for editors and for CI.
"""

from __future__ import annotations

from llm_integrations.serving.config.events import EventsConfig, WebhookReceiverConfig
from llm_integrations.serving.config.file import CONFIG_VARIABLE, MiddlewareConfig, load_config
from llm_integrations.serving.config.registry import RegistryConfig, ValidationConfig
from llm_integrations.serving.config.rules import (
    DEFAULT_PATHS,
    CheckConfig,
    InputConfig,
    NamedBy,
    OutputConfig,
    RuleConfig,
)

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
