"""Telling an owner that a schema of theirs changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_integrations.core.notify.notice import Notice
from llm_integrations.core.notify.notifiers import (
    CallableNotifier,
    LogNotifier,
    Notifier,
    notifier_for,
)

if TYPE_CHECKING:
    from llm_integrations.core.notify.webhook import WebhookNotifier

__all__ = [
    "CallableNotifier",
    "LogNotifier",
    "Notice",
    "Notifier",
    "WebhookNotifier",
    "notifier_for",
]


def __getattr__(name: str) -> Any:
    # Only WebhookNotifier needs the extra [webhooks].
    if name != "WebhookNotifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from llm_integrations.core.notify.webhook import WebhookNotifier

    return WebhookNotifier
