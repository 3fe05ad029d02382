"""What goes wrong for a client: the status, and what its error says."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.core.validation.report import ValidationReport

__all__ = [
    "Failure",
    "Headers",
    "Refused",
    "answer_too_large",
    "bad_request",
    "invalid_answer",
    "too_large",
    "unavailable",
]

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Of a request or reply, as ASGI has them: names in lower case."""

RETRY_AFTER = 5
LONGEST_WAIT = 3600.0
_NO_RETRY = ((b"x-should-retry", b"false"),)


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal. ``param`` names the field as the server does: ``body.messages.0.content``."""

    status: int
    kind: str
    message: str
    param: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def with_headers(self, headers: Headers) -> Failure:
        return replace(self, headers=(*self.headers, *headers))


class Refused(Exception):
    """Ends a request from deep inside with this failure. Never leaves the middleware."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def bad_request(message: str, param: str | None = None) -> Failure:
    return Failure(400, "BadRequestError", message, param)


def too_large(limit: int) -> Failure:
    return Failure(413, "RequestEntityTooLarge", f"the body is larger than {limit} bytes")


def unavailable(error: Exception | None = None) -> Failure:
    """Nothing can be judged: for a while, as far as anyone knows."""
    wait = error.retry_after if isinstance(error, RegistryUnavailable) else None
    # What the registry said may be infinite, or centuries.
    seconds = math.ceil(max(1, min(wait, LONGEST_WAIT))) if wait is not None else RETRY_AFTER
    return Failure(
        503,
        "ServiceUnavailableError",
        "this request cannot be judged by its schema at the moment",
        None,
        ((b"retry-after", str(seconds).encode()),),
    )


def answer_too_large(limit: int) -> Failure:
    message = f"the model's answer is larger than the {limit} bytes that can be judged"
    return Failure(502, "InvalidOutputError", message, None, _NO_RETRY)


def invalid_answer(report: ValidationReport | None) -> Failure:
    """The model's answer was withheld. Clients should not repeat the request by themselves."""
    reason = "could not be judged" if report is None else str(report)
    return Failure(500, "InvalidOutputError", f"the model's answer {reason}", None, _NO_RETRY)
