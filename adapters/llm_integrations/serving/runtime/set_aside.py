"""Invalid answers, set aside in a quarantine, so that somebody can look at them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple
from uuid import uuid4

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.validation.report import BEYOND_SCHEMA, ValidationReport, Violation
from llm_integrations.serving.config.quarantine import QuarantineConfig
from llm_integrations.serving.runtime.request_log import request_id
from llm_integrations.serving.shapes.jsontext import read_json

__all__ = ["SetAside"]

log = get_logger(__name__)

_NAME: Final = "llm-integrations-set-aside"
_MOST_WAITING: Final = 64 * 2**20
"""Bytes of answers and requests that wait to be written."""

_EACH: Final = 64 * 2**10
"""What an answer counts for besides, with its reasons."""

_MOST_IN_A_PART: Final = 100
_LEFT_OUT: Final = Violation("", "the data was left out", "redacted", BEYOND_SCHEMA)
"""So that no schema releases a record that does not hold what it was about."""


class _Answer(NamedTuple):
    report: ValidationReport
    text: str
    about: dict[str, Any]
    source: str
    request: Any
    size: int

    def record(self, *, redact: bool) -> QuarantinedRecord:
        report, data, whole = self.report, None, self.about
        if redact:
            report = replace(report, errors=(*report.errors, _LEFT_OUT))
        else:
            data, whole = _read(self.text), {**whole, "request": self.request, "answer": self.text}
        place = uuid4().hex  # two that are alike are two
        return QuarantinedRecord.of(data, report, whole=whole, source=self.source, position=place)


class SetAside:
    """Writes invalid answers on a thread of its own: no request waits for the disk.

    What the disk does not take in time, or what would be too much, is left out, and logged.

    Args:
        config: the folder, and how much may be in it.
        source: who sets them aside, as ``serving``.
    """

    def __init__(self, config: QuarantineConfig, source: str) -> None:
        self._quarantine = Quarantine(config.folder)
        self._redact = config.redact
        self._left = config.max_bytes
        self._is_measured = self._is_full = False
        self._source = source
        self._waiting: SimpleQueue[_Answer | None] = SimpleQueue()
        self._room = _MOST_WAITING
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def of(
        self, rule: str, request: Any, size: int
    ) -> Callable[[ValidationReport, str, str], None]:
        """What sets aside the answers to one request; it takes the report, the text, its place.

        Args:
            size: bytes of the request.
        """
        kept, held = (None, 0) if self._redact else (request, size)

        def set_aside(report: ValidationReport, text: str, place: str) -> None:
            about = {"request_id": request_id(), "place": place, "characters": len(text)}
            cost = held + _EACH + (0 if self._redact else len(text))
            source = f"{self._source}/{rule}"
            self._put(_Answer(report, "" if self._redact else text, about, source, kept, cost))

        return set_aside

    def close(self) -> None:
        """Write what waits. Idempotent."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(timeout=10)

    def _put(self, answer: _Answer) -> None:
        with self._lock:
            if answer.size > self._room:
                log.warning("an invalid answer was not set aside: the disk is too slow for them")
                return
            self._room -= answer.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name=_NAME, daemon=True)
                self._thread.start()
        self._waiting.put(answer)

    def _write_all(self) -> None:
        is_open = True
        while is_open:
            waiting = [self._waiting.get()]
            with suppress(Empty):
                while len(waiting) < _MOST_IN_A_PART:
                    waiting.append(self._waiting.get_nowait())
            is_open = None not in waiting
            answers = [answer for answer in waiting if answer is not None]
            self._write([answer.record(redact=self._redact) for answer in answers])
            with self._lock:
                self._room += sum(answer.size for answer in answers)

    def _write(self, records: list[QuarantinedRecord]) -> None:
        try:
            if not self._is_measured:
                self._left -= sum(part.stat().st_size for part in self._quarantine.parts())
                self._is_measured = True
            if self._left <= 0:
                if not self._is_full:
                    log.error("%s is full: no invalid answer is set aside", self._quarantine.folder)
                self._is_full = True
                return
            if part := self._quarantine.add(records):
                self._left -= part.stat().st_size
        except (OSError, LLMIntegrationsError) as error:
            log.error("%d invalid answers were not set aside: %s", len(records), error)


def _read(text: str) -> Any:
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return text
