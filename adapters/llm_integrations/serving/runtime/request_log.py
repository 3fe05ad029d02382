"""Log lines about a request name it, by the id that it or its reply brings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from contextvars import ContextVar
from typing import Any, Final

__all__ = ["REPLY_ID", "name_requests", "request_id", "under_way"]

under_way: Final[ContextVar[MutableMapping[str, Any] | None]] = ContextVar("request", default=None)
"""The scope of the request that is answered here; set for each."""

REPLY_ID: Final = "llm_integrations.reply_id"
"""Where a scope holds the id that the reply's headers gave."""

_HEADERS: Final = (b"x-request-id", b"x-correlation-id")
_LONGEST: Final = 128
_LOGGERS: Final = (
    "core.judge.judge",
    "serving.asgi.gate",
    "serving.asgi.request_handler",
    "serving.judging.judging",
    "serving.judging.pieces",
    "serving.judging.verdicts",
    "serving.rules.resolve",
    "serving.upstream.proxy",
    "vllm.constraint",
)


class _Named(logging.Filter):
    """Adds ``(request …)`` to a message, and ``llmi_request`` to its record."""

    def filter(self, record: logging.LogRecord) -> bool:
        identity = request_id()
        if identity is not None and not hasattr(record, "llmi_request"):
            record.msg, record.args = f"{record.getMessage()} (request {identity})", ()
            record.llmi_request = identity
        return True


def request_id() -> str | None:
    """Of the request that is answered here, if it has one."""
    scope = under_way.get()
    if scope is None:
        return None
    given: Iterable[tuple[bytes, bytes]] = scope["headers"]
    found = next((value for name, value in given if name in _HEADERS), scope.get(REPLY_ID, b""))
    text: str = found.decode("latin-1").strip()[:_LONGEST]
    # A client writes it, and could write more than one line of a log.
    return text if text.isascii() and text.isprintable() and text else None


_NAMED: Final = _Named()


def name_requests() -> None:
    """Idempotent."""
    for name in _LOGGERS:
        logging.getLogger(f"llm_integrations.{name}").addFilter(_NAMED)
