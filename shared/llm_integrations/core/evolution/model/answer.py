"""An answer that may be missing."""

from __future__ import annotations

from enum import Enum

__all__ = ["Answer"]


class Answer(Enum):
    """What is known of a question; only ``YES`` and ``NO`` are certain."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        raise TypeError("an answer has three values: compare it with one of them")

    @classmethod
    def of(cls, verdict: bool) -> Answer:
        """The answer that a verdict is."""
        return cls.YES if verdict else cls.NO
