"""What people have to decide about values that a program takes away or changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llm_integrations.core.evolution.guide.advice import TYPE_QUESTION
from llm_integrations.core.evolution.text.wording import quote

__all__ = ["Questions"]

_MOST_NAMED: Final = 20


class Questions:
    """Gathers the questions, each about a place, each once."""

    def __init__(self) -> None:
        self._lines: dict[str, str] = {}

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    @property
    def places(self) -> list[str]:
        """What the questions are about, in the notation of ``Change.where``."""
        return list(self._lines.values())

    def _ask(self, where: str, text: str) -> None:
        self._lines[f"{quote(where or '(root)')}: {text}"] = where

    def dropped(self, where: str, inside: Sequence[str], likely: Sequence[str]) -> None:
        """A property goes, with what is inside of it; it may have become another."""
        held = f" with {_listed(inside)}" if inside else ""
        text = f"`migrate()` drops it{held}: decide whether to keep its content elsewhere."
        if likely:
            text += f" It may have become {_listed(likely)}, or a part of that."
        self._ask(where, text)

    def partly_converted(self, where: str) -> None:
        """Not all values can be converted, or not all results are allowed."""
        self._ask(where, TYPE_QUESTION)

    def replaced(self, where: str, old: Any, new: Any) -> None:
        """The value that tells a branch of a union gives way to another."""
        self._ask(where, f"Check that {quote(old)} is {quote(new)} now: `migrate()` takes it so.")

    def moved(self, where: str) -> None:
        """A value is elsewhere now, where not all values that it had are allowed."""
        self._ask(where, "`migrate()` moves values here; correct those that are refused here.")

    def not_drafted(self, reason: str) -> None:
        """There is no plan at all."""
        self._ask("", f"Write `migrate()` by hand: {reason}, so it was not drafted.")

    def refused(self, where: str) -> None:
        """Something is wrong still with data that the program has been through."""
        self._ask(where, "Some data is refused here even after `migrate()`: correct it.")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(quote, names[:_MOST_NAMED])) + more
