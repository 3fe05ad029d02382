"""What is lost between Features and JSON Schema, for neither says all that the other does."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Loss", "Losses"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that did not survive a conversion.

    Attributes:
        path: the place in the row, as ``/address/city``; ``/*`` is any item of a list.
        what: the keyword or feature, as ``pattern`` or ``ClassLabel``.
        why: for people.
    """

    path: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.path or '(row)'}: {self.what}: {self.why}"


class Losses:
    """Gathers losses during one conversion."""

    def __init__(self) -> None:
        self._found: dict[Loss, None] = {}

    def add(self, path: str, what: str, why: str) -> None:
        self._found[Loss(path, what, why)] = None

    def all(self) -> tuple[Loss, ...]:
        return tuple(self._found)
