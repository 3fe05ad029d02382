"""What could not be handled, on a topic of its own with the reason."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.errors import MessageSizeTooLargeError

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.kafka.publisher import Publisher
from llm_integrations.core.observability import get_logger

__all__ = ["DeadLetters"]

log = get_logger(__name__)

_BROADCAST: Final = "broadcast"


class DeadLetters:
    """Copies a record to the dead-letter topic: its key, value and headers, and in headers
    ``dead-letter-reason``, ``-group`` (or broadcast), ``-origin`` (topic/partition/offset)."""

    def __init__(self, publisher: Publisher, topic: str, group: str | None) -> None:
        self._publisher = publisher
        self._topic = topic
        self._group = group or _BROADCAST

    async def add(self, record: Any, reason: str) -> None:
        """EventError if the topic does not take it: then the record must not be acknowledged."""
        origin = f"{record.topic}/{record.partition}/{record.offset}"
        log.error(
            "%s could not be handled by %s: %s",
            origin,
            self._group,
            reason,
            extra={"llmi_group": self._group, "llmi_origin": origin},
        )
        headers = [
            *record.headers,
            ("dead-letter-reason", reason.encode("utf-8", "replace")),
            ("dead-letter-group", self._group.encode()),
            ("dead-letter-origin", origin.encode()),
        ]
        value = record.value or b""
        try:
            await self._publisher.send(self._topic, record.key, value, headers)
        except EventError as error:
            if not isinstance(error.__cause__, MessageSizeTooLargeError):
                raise
            # The headers made it too large; where it was found must do.
            await self._publisher.send(self._topic, record.key, b"", headers[-3:])
