"""Telling an owner that a schema of theirs changed."""

from __future__ import annotations

from llm_integrations.core.notify.notice import Notice
from llm_integrations.core.notify.notifiers import (
    CallableNotifier,
    LogNotifier,
    Notifier,
    notifier_for,
)
from llm_integrations.core.notify.webhook import WebhookNotifier

__all__ = [
    "CallableNotifier",
    "LogNotifier",
    "Notice",
    "Notifier",
    "WebhookNotifier",
    "notifier_for",
]
