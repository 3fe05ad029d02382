"""How a decision deep inside ends a request."""

from __future__ import annotations

from llm_integrations.serving.judging.failure import Failure

__all__ = ["Refused"]


class Refused(Exception):
    """The client gets this failure instead of an answer. Never leaves the middleware."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
