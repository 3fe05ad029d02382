"""A configuration looked at before anything is started by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    RegistryError,
    SchemaNotFound,
)
from llm_integrations.core.judge import Judge, Side
from llm_integrations.core.registry import Registry
from llm_integrations.serving.config.auth import AuthConfig
from llm_integrations.serving.config.file import MiddlewareConfig, load_config
from llm_integrations.serving.config.rules import InputConfig, OutputConfig
from llm_integrations.serving.config.section import secret_from
from llm_integrations.serving.rules.table import RuleTable
from llm_integrations.serving.runtime.server import Server, constrainer_for

__all__ = ["Examined", "examine"]


@dataclass(frozen=True, slots=True)
class Examined:
    """What a configuration holds.

    Attributes:
        rules: how many.
        references: the schemas that they name.
        unreachable: why the registry could not be asked, by reference.
    """

    rules: int
    references: tuple[str, ...]
    unreachable: Mapping[str, str]


def examine(
    server: Server, source: MiddlewareConfig | Mapping[str, Any] | str | Path | None = None
) -> Examined:
    """Read and check a configuration, its secrets and its schemas; start nothing.

    Args:
        server: the kind of server that it is for.
        source: see ``load_config``.

    Raises:
        ConfigurationError: with everything that is wrong: what would end a start.
    """
    config = load_config(source, variable=server.config_variable)
    if isinstance(config.auth, AuthConfig):
        for name in config.auth.keys_env:
            secret_from("auth", name)
    with config.open_registry() as registry:

        def judging(side: Side, rule: InputConfig | OutputConfig) -> Judge:
            return Judge(registry, server.name, side, rule.mode, rule.on_unavailable)

        table = RuleTable(config, registry, judging)
        constrainer_for(server, table)
        return _examined(table, registry)


def _examined(table: RuleTable, registry: Registry) -> Examined:
    wrong: list[str] = []
    unreachable: dict[str, str] = {}
    references = table.references()
    for reference in references:
        try:
            registry.validator(reference)
        except (SchemaNotFound, InvalidSchema) as error:
            wrong.append(f"a rule names {reference}: {error}")
        except RegistryError as error:
            unreachable[reference] = str(error)
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    return Examined(len(table.rules()), tuple(references), unreachable)
