"""From a reference to a validator, without I/O on an event loop where that can be avoided."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry

if TYPE_CHECKING:
    from llm_integrations.core.judge import Judge
    from llm_integrations.core.validation import Validator

__all__ = ["PATIENCE", "Resolver"]

log = get_logger(__name__)

PATIENCE: Final = 1.0
"""Seconds that an event loop is held at most for a schema that nobody had asked for before."""


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
        return bool(met) and all(self._registry.peek(ref) is not None for ref in met)

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
            found = judge.resolve(reference, within=self._time_limit(reference))
        if found is not None:
            self._met.add(reference)
        return found

    def _time_limit(self, reference: str) -> float | None:
        if self._registry.peek(reference) is not None or not _on_event_loop():
            return None
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
