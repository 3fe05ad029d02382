"""What the configuration becomes: a registry client, rules, and a listener for changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    RegistryError,
    SchemaNotFound,
)
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.serving.config import MiddlewareConfig, load_config
from llm_integrations.serving.judging.constrain import Constrainer
from llm_integrations.serving.rules.rules import RuleTable
from llm_integrations.serving.runtime.connection import open_registry
from llm_integrations.serving.runtime.event_follower import Follower
from llm_integrations.serving.runtime.integration import ModelServingIntegration

__all__ = ["Runtime"]

log = get_logger(__name__)


class Runtime:
    """Everything that requests share. Making one connects to nothing yet.

    Args:
        config: see ``load_config``.
        registry: a client to use instead of what the configuration says.

    Attributes:
        compresses: the app was seen to compress replies, so it is asked for plain ones.

    Raises:
        ConfigurationError: the configuration is wrong.
    """

    def __init__(
        self,
        config: MiddlewareConfig | Mapping[str, Any] | str | Path | None,
        registry: Registry | str | None = None,
    ) -> None:
        self.config = load_config(config)
        _be_heard()
        self._owns_registry = not isinstance(registry, Registry)
        if registry is None:
            self.registry = open_registry(self.config)
        else:
            self.registry = resolve_registry(registry)
        self.rules = RuleTable(self.config, self.registry, self._judging())
        self.compresses = False
        self.constrainer = Constrainer()
        self.integration = ModelServingIntegration(self.registry, references=self.references())
        self.follower = Follower(self.config.events, self.registry, self.integration)

    def references(self) -> list[str]:
        """Every schema that a rule names, once."""
        return list(dict.fromkeys(r for rule in self.rules.rules() for r in rule.references()))

    def _judging(self) -> ValidationOptions | None:
        """How to judge with a client that was made elsewhere; None is as the client does."""
        if self._owns_registry or "validation" not in self.config.model_fields_set:
            return None
        return self.config.validation.options()

    async def start(self) -> None:
        """Check that the schemas exist, fetch them, and listen for changes.

        A registry that does not answer is no reason not to serve: requests then find out for
        themselves.

        Raises:
            ConfigurationError: a rule names a schema that does not exist or cannot be used.
        """
        problems = await asyncio.gather(*map(self._problem, self.references()))
        wrong = [problem for problem in problems if problem]
        if wrong:
            raise ConfigurationError("; ".join(wrong))
        await self.listen()

    async def listen(self) -> None:
        if self.follower.wanted:
            await asyncio.to_thread(self.follower.start)

    async def stop(self) -> None:
        """Let go of everything. Idempotent."""
        await asyncio.to_thread(self.follower.stop)
        if self._owns_registry:
            await self.registry.aio.close()

    async def _problem(self, reference: str) -> str | None:
        try:
            await self.registry.aio.validator(reference)
        except (SchemaNotFound, InvalidSchema) as error:
            return f"a rule names {reference}: {error}"
        except RegistryError as error:
            log.warning("vllm starts without %s: %s", reference, error)
        return None


def _be_heard() -> None:
    """A server may silence whatever has no level of its own, as vLLM does by its root logger."""
    ours = logging.getLogger("llm_integrations")
    if ours.level == logging.NOTSET and ours.getEffectiveLevel() > logging.WARNING:
        ours.setLevel(logging.WARNING)
