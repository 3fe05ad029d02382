"""Where commands print tables: a pipe has no width, so nothing is cut that ``grep`` looks for."""

from __future__ import annotations

from typing import Final

from rich.console import Console

__all__ = ["wide_console"]

_ANY_WIDTH: Final = 100_000  # characters


def wide_console() -> Console:
    """A console as wide as the terminal, or as what is printed where there is none."""
    console = Console()
    if not console.is_terminal:
        console.width = _ANY_WIDTH
    return console
