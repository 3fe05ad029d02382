"""What stands for invalid data where the product has words of its own for a refusal."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from llm_integrations.core.errors import ConfigurationError, SchemaValidationError

__all__ = ["OnInvalid", "astand_in", "stand_in"]

OnInvalid: TypeAlias = Callable[[SchemaValidationError], Any] | Any
"""A value, or a function of the error, that stands for what was refused; None raises.

Where the mode refuses nothing it has no effect, so that a mode can be changed by itself."""


def stand_in(given: OnInvalid, error: SchemaValidationError) -> Any:
    """What is passed on instead. Raises the error if nothing was given."""
    if given is None:
        raise error
    found = given(error) if callable(given) else given
    if inspect.isawaitable(found):
        if inspect.iscoroutine(found):
            found.close()
        raise ConfigurationError("on_invalid is a coroutine function, and this is a sync call")
    return found


async def astand_in(given: OnInvalid, error: SchemaValidationError) -> Any:
    """``stand_in`` that awaits a function that has to be awaited."""
    if given is None:
        raise error
    found = given(error) if callable(given) else given
    return await found if inspect.isawaitable(found) else found
