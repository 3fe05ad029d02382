"""Reprs that error trackers and debuggers may ask for at any time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

__all__ = ["never_raises"]

T = TypeVar("T")


def never_raises(method: Callable[[T], str]) -> Callable[[T], str]:
    """For ``__repr__``: an object whose constructor failed has one, too."""

    @wraps(method)
    def represent(self: T) -> str:
        try:
            return method(self)
        except Exception:  # noqa: BLE001 - a traceback with locals must not end in another
            return f"<{type(self).__name__}, not made>"

    return represent
