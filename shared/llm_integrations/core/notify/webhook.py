"""Notices as one POST to a chat tool or service, at an address that was checked."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from llm_integrations.core.errors import WebhookError
from llm_integrations.core.notify.notice import Notice
from llm_integrations.core.webhooks.config import WebhookConfig
from llm_integrations.core.webhooks.sending.attempts import judge
from llm_integrations.core.webhooks.sending.connection import Connection, GuardedBackend

__all__ = ["WebhookNotifier", "chat_message"]

Template = Callable[[Notice], Mapping[str, Any]]


def chat_message(notice: Notice) -> dict[str, Any]:
    """The body that Slack, Mattermost, Rocket.Chat and Google Chat take: ``{"text": …}``."""
    return {"text": notice.to_markdown()}


class WebhookNotifier:
    """POSTs notices as JSON; retried as a webhook is, and raises if nobody took it.

    Args:
        config: where to, or just the URL. https and a public address, unless ``allow_private``.
        template: makes the body; ``Notice.to_dict`` sends the fields, ``chat_message`` a text.
    """

    def __init__(
        self,
        config: WebhookConfig | str,
        *,
        template: Template = chat_message,
        allow_private: bool = False,
    ) -> None:
        self._config = WebhookConfig(config) if isinstance(config, str) else config
        self._template = template
        self._config.check_target(allow_private=allow_private)
        self._allow_private = allow_private

    async def notify(self, notice: Notice) -> None:
        body = json.dumps(self._template(notice)).encode()
        headers = {"content-type": "application/json", "webhook-id": notice.event_id}
        connection = Connection(self._config, GuardedBackend(allow_private=self._allow_private))
        try:
            await self._send(connection, body, headers)
        finally:
            await connection.close()

    async def _send(self, connection: Connection, body: bytes, headers: dict[str, str]) -> None:
        for attempt in itertools.count(1):
            verdict = judge(await connection.post(body, headers), attempt, self._config)
            if verdict.outcome == "delivered":
                return
            if verdict.outcome == "dead":
                raise WebhookError(f"the notice was not taken: {verdict.reason}")
            await asyncio.sleep(verdict.wait)
