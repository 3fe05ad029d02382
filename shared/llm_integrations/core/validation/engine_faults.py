"""What the engine raises instead of a verdict, and what leaves the library for it.

A panic of the engine is a BaseException, so no ``except Exception`` meets it. It has written its
message to stderr by then; silencing that would silence the process's other panics as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from llm_integrations.core.errors import LLMIntegrationsError, ValidationLimitExceeded

__all__ = ["is_fault", "without_faults"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def is_fault(error: BaseException) -> bool:
    """Whether the engine, or code that it called, failed; no interrupt and no error of ours."""
    if isinstance(error, Exception):
        return not isinstance(error, LLMIntegrationsError)
    return type(error).__name__ == "PanicException"  # its module cannot be imported


def without_faults(judge: Callable[_P, _T]) -> Callable[_P, _T]:
    """The same, with ValidationLimitExceeded for every fault: there is no verdict then."""

    @wraps(judge)
    def judged(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return judge(*args, **kwargs)
        except BaseException as error:
            if not is_fault(error):
                raise
            # Neither its message nor its frames: they can hold data.
            told = f"no verdict: the engine failed with {type(error).__name__}"
        raise ValidationLimitExceeded(told)

    return judged
