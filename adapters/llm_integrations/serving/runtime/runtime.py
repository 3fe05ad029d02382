"""What the configuration becomes: a registry client, rules, and a listener for changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    RegistryError,
    SchemaNotFound,
)
from llm_integrations.core.judge import Judge, Side
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.serving.config.file import MiddlewareConfig, load_config
from llm_integrations.serving.config.rules import InputConfig, OutputConfig
from llm_integrations.serving.rules.table import RuleTable
from llm_integrations.serving.runtime.event_follower import EventFollower
from llm_integrations.serving.runtime.request_log import name_requests
from llm_integrations.serving.runtime.server import Server, constrainer_for
from llm_integrations.serving.runtime.set_aside import SetAside

__all__ = ["Runtime"]

log = get_logger(__name__)


class Runtime:
    """Everything that requests share. Making one connects to nothing yet.

    Args:
        server: the kind of server that requests go to.
        config: see ``load_config``.
        registry: a client to use instead of what the configuration says.

    Attributes:
        set_aside: where invalid answers go, if anywhere.
        rejected: why what was to take its place could not, by file.
        is_elsewhere: behind the app is a server that may read JSON otherwise than Python does.
        compresses: the app was seen to compress replies, so it is asked for plain ones.

    Raises:
        ConfigurationError: the configuration is wrong.
    """

    def __init__(
        self,
        server: Server,
        config: MiddlewareConfig | Mapping[str, Any] | str | Path | None,
        registry: Registry | str | None = None,
    ) -> None:
        self.server = server
        self.config = load_config(config, variable=server.config_variable)
        _be_heard()
        name_requests()
        self._owns_registry = not isinstance(registry, Registry)
        if registry is None:
            self.registry = self.config.open_registry()
        else:
            self.registry = resolve_registry(registry)
        self.rules = RuleTable(self.config, self.registry, self._judge)
        self.compresses = self.is_elsewhere = False
        self.rejected: dict[str, str] = {}
        aside = self.config.quarantine
        self.set_aside = None if aside is None else SetAside(aside, server.name)
        self.constrainer = constrainer_for(server, self.rules)
        self._references = self.rules.references()
        integration = server.integration(self.registry, references=self._references)
        self.follower = EventFollower(self.config.events, self.registry, integration)

    def _judge(self, side: Side, rule: InputConfig | OutputConfig) -> Judge:
        options = None
        # A client that was made elsewhere judges as it does, unless the file says otherwise.
        if not self._owns_registry and "validation" in self.config.model_fields_set:
            options = self.config.validation.options()
        name, mode = self.server.name, rule.mode
        return Judge(self.registry, name, side, mode, rule.on_unavailable, options)

    async def start(self) -> None:
        """Check that the schemas exist, fetch them, and listen for changes.

        A registry that does not answer is no reason not to serve: requests then find out for
        themselves.

        Raises:
            ConfigurationError: a rule names a schema that does not exist or cannot be used.
        """
        problems = await asyncio.gather(*map(self._problem, self._references))
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
        if self.set_aside is not None:
            await asyncio.to_thread(self.set_aside.close)
        if self._owns_registry:
            await self.registry.aio.close()

    async def _problem(self, reference: str) -> str | None:
        try:
            await self.registry.aio.validator(reference)
        except (SchemaNotFound, InvalidSchema) as error:
            return f"a rule names {reference}: {error}"
        except RegistryError as error:
            log.warning("%s starts without %s: %s", self.server.name, reference, error)
        return None


def _be_heard() -> None:
    """A server may silence whatever has no level of its own, as vLLM does by its root logger."""
    ours = logging.getLogger("llm_integrations")
    if ours.level == logging.NOTSET and ours.getEffectiveLevel() > logging.WARNING:
        ours.setLevel(logging.WARNING)
