"""What the engine raises instead of a verdict, and what leaves the library for it.

A panic of the engine is a BaseException, so no ``except Exception`` meets it. It has written its
message to stderr by then; silencing that would silence the process's other panics as well.
"""

from __future__ import annotations

from llm_integrations.core.errors import LLMIntegrationsError, ValidationLimitExceeded

__all__ = ["is_fault", "no_verdict"]


def is_fault(error: BaseException) -> bool:
    """Whether the engine, or code that it called, failed; no interrupt and no error of ours."""
    if isinstance(error, Exception):
        return not isinstance(error, LLMIntegrationsError)
    return type(error).__name__ == "PanicException"  # its module cannot be imported


def no_verdict(error: BaseException) -> ValidationLimitExceeded:
    """What to raise for a fault, once it is no longer being handled.

    Neither the fault's message nor its frames go with it: they can hold data.
    """
    return ValidationLimitExceeded(f"no verdict: the engine failed with {type(error).__name__}")
