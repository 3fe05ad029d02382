"""How large an instance may become."""

from __future__ import annotations

from typing import Any, Final

from llm_integrations.core.evolution.sampling.children import NoSample

__all__ = ["InstanceSize", "TooLarge"]

_MOST: Final = 5_000
_CHARACTERS_IN_ONE: Final = 20


class TooLarge(NoSample):
    """Inner signal: the instance became too large; smaller choices may lead to one."""


class InstanceSize:
    """Counts the values of an instance in the making, and long texts as several.

    Attributes:
        counted: the size so far, of what was discarded too.
    """

    def __init__(self) -> None:
        self.counted = 0

    def add(self, size: int) -> None:
        self.counted += size
        if self.counted > _MOST:
            raise TooLarge

    def add_text(self, text: str) -> None:
        """Count a text, or a property's name, by its length."""
        self.add(len(text) // _CHARACTERS_IN_ONE)

    def add_value(self, value: Any) -> None:
        """Count a value that was not made here, as one of ``enum``; never recurses."""
        stack = [value]
        while stack:
            current = stack.pop()
            self.add(1)
            if isinstance(current, str):
                self.add_text(current)
            elif isinstance(current, dict):
                stack.extend((*current, *current.values()))
            elif isinstance(current, list | tuple):
                stack.extend(current)
