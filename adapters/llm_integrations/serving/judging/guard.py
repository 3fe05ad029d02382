"""Nothing that goes wrong while judging reaches the app or the client as an exception."""

from __future__ import annotations

from typing import Final

from llm_integrations.core.errors import LLMIntegrationsError, ValidationLimitExceeded
from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.observability import get_logger
from llm_integrations.serving.rules.resolve import count_unjudged

__all__ = ["FAILED", "failed"]

log = get_logger(__name__)

FAILED: Final = Verdict("unjudged")
"""There was a schema, and judging by it broke off."""


def failed(judge: Judge, error: Exception) -> Verdict:
    """FAILED, counted and logged. Foreign messages could quote data, so only ours are repeated."""
    reason = f": {error}" if isinstance(error, LLMIntegrationsError) else ""
    log.error("vllm %s was not judged: %s%s", judge.side, type(error).__name__, reason)
    if not isinstance(error, ValidationLimitExceeded):  # which the judge has counted
        count_unjudged(judge)
    return FAILED
