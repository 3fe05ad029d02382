"""From a reference to a validator, without I/O on an event loop where that can be avoided."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry
from llm_integrations.langchain.patience import NO_SCHEMA_NOW, waits_for

if TYPE_CHECKING:
    from llm_integrations.core.judge import Judge
    from llm_integrations.core.validation import Validator

__all__ = ["PATIENCE", "Resolver"]

log = get_logger(__name__)

PATIENCE: Final = 1.0
"""Seconds that event loops wait at most, all calls together, for schemas that are in no cache."""


class Resolver:
    """Resolves references and remembers which. No lock: chains are copied and pickled."""

    def __init__(self, registry: Registry, options: ValidationOptions | None) -> None:
        self._registry = registry
        self._options = options
        self._met: set[str] = set()

    @property
    def is_warm(self) -> bool:
        """Whether some schema was resolved, and all that were can be read without I/O."""
        met = tuple(self._met)
        if not met or waits_for(self._registry).leaves_the_loop(PATIENCE):
            return False
        return all(self._registry.peek(ref) is not None for ref in met)

    async def fetch(self, reference: str) -> None:
        """Bring a schema into the cache."""
        await self._registry.aio.validator(reference, options=self._options)
        self._met.add(reference)

    def validator(self, judge: Judge, reference: str) -> Validator | None:
        """The validator in force, or None where data passes unjudged.

        Raises:
            RegistryError: as ``Judge.judge``.
        """
        found = judge.ready(reference)
        if found is None and judge.mode != "off":
            try:
                found = self.fetched(reference)
            except NO_SCHEMA_NOW as error:
                judge.pass_unjudged(reference, error)
        if found is not None:
            self._met.add(reference)
        return found

    def fetched(self, reference: str) -> Validator:
        """The validator of what is in no cache, or only as an old copy.

        Raises:
            RegistryError: it is not to be had in the time that an event loop, or a thread, waits.
        """
        waits, registry = waits_for(self._registry), self._registry
        if registry.peek(reference) is not None:  # the cache bounds how long its readers wait
            return registry.validator(reference, options=self._options)
        refusal = waits.refusal(reference)
        if refusal is not None:
            raise refusal
        if _on_event_loop():
            return waits.fetch_on_loop(registry, reference, self._options, _patience(reference))
        return waits.fetch(registry, reference, self._options)


def _patience(reference: str) -> float:
    log.warning(
        "%s was not in the cache and is fetched while the event loop waits; "
        "`await handler.prepare(chain)` before the first call avoids that",
        reference,
        extra={"llmi_reference": reference},
    )
    return PATIENCE


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
