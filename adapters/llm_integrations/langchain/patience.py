"""How long people wait for schemas that are in no cache: on an event loop, and again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from llm_integrations.core.concurrency.weak import OneEach
from llm_integrations.core.errors import (
    RegistryAuthError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
)

if TYPE_CHECKING:
    from llm_integrations.core.config import ValidationOptions
    from llm_integrations.core.registry import Registry
    from llm_integrations.core.validation import Validator

__all__ = ["NO_SCHEMA_NOW", "Waits", "waits_for"]

NO_SCHEMA_NOW: Final = (RegistryUnavailable, RegistryAuthError, RegistryProtocolError)
REFILL: Final = 60.0
"""Seconds after which an event loop may have waited as long as before."""
AGAIN: Final = 5.0
"""Seconds in which nobody asks again for what was asked for in vain, and long."""
HURRIED: Final = 0.3
"""Seconds that a thread waits for a schema while asking for others is in vain."""
_LONG: Final = 0.2
"""Seconds from which a failure was long: one that comes at once may be tried at once again."""


class Waits:
    """Every handler's waiting for the schemas of one registry.

    An event loop that waits stands still, with every task on it: so what it waits is a budget of
    the process. What was asked for in vain is remembered, or as many threads as there are would
    wait for the same registry, group by group. No lock: a lost update costs one wait too many.
    """

    def __init__(self) -> None:
        self._spent = 0.0
        self._spent_at = time.monotonic()
        self._failed: dict[str, tuple[float, str]] = {}
        self._under_way: dict[str, asyncio.Task[Validator]] = {}
        self._given_up: set[str] = set()

    def left(self, patience: float) -> float:
        """Seconds that an event loop may still wait."""
        passed = time.monotonic() - self._spent_at
        return max(0.0, patience - max(0.0, self._spent - patience * passed / REFILL))

    def leaves_the_loop(self, patience: float) -> bool:
        """Whether the registry answers, but too slowly for a loop to wait any more."""
        spent = self._spent > 0 and self.left(patience) < patience / 20
        return spent and not self._given_up and not self.is_failing

    @property
    def is_failing(self) -> bool:
        """Whether somebody waited in vain lately."""
        now = time.monotonic()
        return bool(self._under_way) or any(
            until > now for until, _ in tuple(self._failed.values())
        )

    def refusal(self, reference: str) -> RegistryUnavailable | None:
        """Why asking for a schema is in vain just now; None if it is not."""
        until, reason = self._failed.get(reference, (0.0, ""))
        if until <= time.monotonic():
            return None
        return RegistryUnavailable(
            f"{reference} was asked for in vain a moment ago, and is asked for again "
            f"{AGAIN:g} s after that: {reason}"
        )

    def fetch(
        self, registry: Registry, reference: str, options: ValidationOptions | None
    ) -> Validator:
        """Ask for a schema on a thread that may wait: briefly where others have waited in vain."""
        if reference in self._given_up:
            raise _no_schema(HURRIED)
        if self.is_failing:
            return registry.run(self._within(registry, reference, options, HURRIED))
        started = time.monotonic()
        try:
            return registry.validator(reference, options=options)
        except NO_SCHEMA_NOW as error:
            self._note(reference, error, started)
            raise

    def fetch_on_loop(
        self,
        registry: Registry,
        reference: str,
        options: ValidationOptions | None,
        patience: float,
    ) -> Validator:
        """Ask for a schema while an event loop stands still; asking goes on when this gives up.

        Raises:
            RegistryUnavailable: there was no answer in what is left of the patience.
        """
        left = self.left(patience)
        if left < patience / 20 and reference in self._given_up:
            raise _no_schema(patience)
        started = time.monotonic()
        try:
            return registry.run(self._within(registry, reference, options, left, patience))
        finally:
            ended = time.monotonic()
            self._spent, self._spent_at = patience - left + ended - started, ended

    async def _within(
        self,
        registry: Registry,
        reference: str,
        options: ValidationOptions | None,
        seconds: float,
        patience: float | None = None,
    ) -> Validator:
        asked = self._under_way.get(reference)
        if asked is None:
            asked = asyncio.ensure_future(self._ask(registry, reference, options))
            self._under_way[reference] = asked
            asked.add_done_callback(lambda task: self._ended(reference, task))
        done, _ = await asyncio.wait({asked}, timeout=seconds)
        if not done:
            self._given_up.add(reference)
            raise _no_schema(seconds if patience is None else patience)
        return asked.result()

    def _ended(self, reference: str, task: asyncio.Task[Validator]) -> None:
        self._under_way.pop(reference, None)
        self._given_up.discard(reference)
        if not task.cancelled():
            task.exception()  # nobody may be left to hear it: it is noted

    async def _ask(
        self, registry: Registry, reference: str, options: ValidationOptions | None
    ) -> Validator:
        started = time.monotonic()
        try:
            return await registry.aio.validator(reference, options=options)
        except NO_SCHEMA_NOW as error:
            self._note(reference, error, started)
            raise

    def _note(self, reference: str, error: RegistryError, started: float) -> None:
        now = time.monotonic()
        if now - started >= _LONG:
            self._failed = {r: f for r, f in tuple(self._failed.items()) if f[0] > now}
            self._failed[reference] = (now + AGAIN, str(error))


def _no_schema(seconds: float) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"no schema within {seconds:g} s, and nobody waits longer just now; it is being fetched, "
        f"and judged by once it is here"
    )


_waits: Final = OneEach["Registry", Waits](Waits)


def waits_for(registry: Registry) -> Waits:
    """What this process waits for a registry, whoever asks it."""
    return _waits.of(registry)
