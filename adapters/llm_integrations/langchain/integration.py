"""Reacting to changes of schemas: finds the prompts that use them and tells their owners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from llm_integrations.core.catalogue import Catalogue, Usage
from llm_integrations.core.config import check_choice, check_name
from llm_integrations.core.impact import AffectedUsage as AffectedPrompt
from llm_integrations.core.impact import CatalogueIntegration
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.notify import Notice, Notifier, notifier_for
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.langchain.report import ChainReport, report_on
from llm_integrations.langchain.walk import uses_in

__all__ = ["AffectedPrompt", "PromptManagementIntegration"]


class PromptManagementIntegration(CatalogueIntegration):
    """Knows which prompts use which schema and tells their owners of changes.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        catalogue: where prompts are kept; a path is an SQLite file, None is this process's memory.
        notifier: a Notifier or a function taking a Notice; None writes to the log. It may be
            called again with the same ``event_id`` after a crash.
    """

    kind = "prompt"

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        catalogue: Catalogue | str | Path | None = None,
        notifier: Notifier | Callable[[Notice], Awaitable[None] | None] | None = None,
    ) -> None:
        super().__init__(registry, catalogue=catalogue)
        self._notifier = notifier_for(notifier)

    @property
    def name(self) -> str:
        return "langchain"

    def register_chain(self, chain: Any, name: str) -> list[Usage]:
        """Put every use of a schema in a chain, a graph or an agent into the catalogue.

        Bound prompts, validators, middleware, and what names a schema in its metadata. Returns the
        uses.
        """
        check_name("name", name)
        usages = [
            Usage("prompt", f"{name}/{use.part}", SchemaRef.parse(use.schema), use.role, use.owner)
            for use in uses_in(chain)
        ]
        self.catalogue.add(*usages)
        return usages

    def register_prompt(
        self, name: str, schema: str | SchemaRef, *, owner: str | None = None, role: str = "input"
    ) -> Usage:
        """Put a prompt that is in no chain here (in a prompt hub, a file) into the catalogue.

        Args:
            owner: who is told of changes; None takes the schema's owner.
            role: "input" for what the prompt takes, "output" for what the model answers to it.
        """
        check_name("name", name)
        check_choice("role", role, Literal["input", "output"])
        if owner is not None:
            check_name("owner", owner)
        usage = Usage("prompt", name, SchemaRef.parse(schema), role, owner)
        self.catalogue.add(usage)
        return usage

    def chain_report(self, chain: Any) -> ChainReport:
        """Each prompt of a chain with its schema, version, state, and what is newer."""
        return report_on(chain, self.registry)

    async def affected_prompts(self, event: SchemaEvent) -> list[AffectedPrompt]:
        """The prompts that a change concerns, the worst first."""
        return list((await self.impact_of(event)).affected)

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        await self.registry.follow([event])
        impact = await self.impact_of(event)
        guide = await impact.guide()
        for owner, prompts in impact.by_owner().items():
            await self._notifier.notify(_notice(owner, event, prompts, guide))


def _notice(
    owner: str | None, event: SchemaEvent, prompts: list[AffectedPrompt], guide: str
) -> Notice:
    hit: dict[str, str] = {}  # the worst first: a prompt counts once, for what is worst for it
    for prompt in prompts:
        hit.setdefault(prompt.usage.name, prompt.impact)
    counts = Counter(hit.values())
    told = ", ".join(f"{impact} for {_prompts(number)}" for impact, number in counts.items())
    return Notice(
        owner=owner,
        event=event,
        affected=tuple(str(prompt) for prompt in prompts),
        headline=f"{event.subject}@{event.version} {event.event_type}: {told}",
        guide=guide,
        breaking=prompts[0].impact in ("breaking", "deleted"),
    )


def _prompts(number: int) -> str:
    return f"{number} prompt{'s' if number > 1 else ''}"
