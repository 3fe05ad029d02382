"""Notifiers: by the log, or by a function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.notify.notice import Notice
from llm_integrations.core.observability import get_logger

__all__ = ["CallableNotifier", "LogNotifier", "Notifier", "notifier_for"]

log = get_logger(__name__)


@runtime_checkable
class Notifier(Protocol):
    """Sends a notice to its owner. If it raises, the event is delivered again later."""

    async def notify(self, notice: Notice) -> None: ...


class LogNotifier:
    """Writes a warning to the log, with the guide in ``extra``."""

    async def notify(self, notice: Notice) -> None:
        log.warning(
            "%s (owner %s): %s",
            notice.headline,
            notice.owner or "unknown",
            ", ".join(notice.affected),
            extra={"llmi_event_id": notice.event_id, "llmi_guide": notice.guide},
        )


class CallableNotifier:
    """Calls a function, sync or async, with the notice."""

    def __init__(self, function: Callable[[Notice], Awaitable[None] | None]) -> None:
        self._function = function

    async def notify(self, notice: Notice) -> None:
        answer = self._function(notice)
        if inspect.isawaitable(answer):
            await answer


def notifier_for(
    target: Notifier | Callable[[Notice], Awaitable[None] | None] | None,
) -> Notifier:
    """The notifier for an argument: itself, a function wrapped, None as the log."""
    if target is None:
        return LogNotifier()
    if isinstance(target, Notifier):
        return target
    if callable(target):
        return CallableNotifier(target)
    raise ConfigurationError(f"a notifier is a function or has notify(), not {target!r}")
