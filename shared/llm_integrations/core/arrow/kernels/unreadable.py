"""What stands for an Arrow value that has no Python value."""

from __future__ import annotations

from typing import Final

__all__ = ["UNREADABLE", "NotJson", "UnreadableValue"]


class UnreadableValue:
    """Stands for an Arrow value that Python cannot hold, such as a date after the year 9999.

    It has no JSON form, so a schema that looks at it refuses it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE: Final = UnreadableValue()


class NotJson(UnreadableValue):
    """Stands for text that should have been JSON.

    Attributes:
        text: what it is.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
