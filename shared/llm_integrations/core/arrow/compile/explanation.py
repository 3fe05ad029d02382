"""What a plan does with each keyword: the rows of ``explain()``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Explanation", "How", "Note"]

How = Literal["vectorised", "by distinct value", "by value", "by row", "decided", "no effect"]
"""How a keyword is judged: by column kernels; by the engine on each distinct value, each value or
each whole row; once for all rows, from the column's type; or not at all."""

_FALLBACK = ("by distinct value", "by value", "by row")


@dataclass(frozen=True, slots=True)
class Note:
    """Attributes: the column (a path, ``*`` for items), the keyword, where it stands in the schema,
    how it is judged, and why it is not vectorised, or what was decided."""

    column: str
    keyword: str
    schema_path: str
    how: How
    why: str = ""


@dataclass(frozen=True)
class Explanation:
    """For each keyword whether it is vectorised, and if not, why. Prints as a table."""

    schema: str
    nulls: str
    notes: tuple[Note, ...]

    @property
    def is_vectorised(self) -> bool:
        """Whether no value has to be looked at in Python, unless for a message."""
        return not any(note.how in _FALLBACK for note in self.notes)

    def __iter__(self) -> Iterator[Note]:
        return iter(self.notes)

    def __str__(self) -> str:
        rows = [("column", "keyword", "how", "why"), *map(_cells, self.notes)]
        widths = [max(len(row[index]) for row in rows) for index in range(3)]
        lines = [
            "  ".join(
                [*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]
            )
            for row in rows
        ]
        head = f"{self.schema} · nulls taken as {self.nulls}"
        return "\n".join([head, *(line.rstrip() for line in lines)])

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(title=f"{self.schema} · nulls taken as {self.nulls}")
        for title in ("column", "keyword", "how", "why"):
            table.add_column(title, overflow="fold")
        for note in self.notes:
            table.add_row(*_cells(note), style="yellow" if note.how in _FALLBACK else None)
        return table


def _cells(note: Note) -> tuple[str, str, str, str]:
    return note.column or "(row)", note.keyword, note.how, note.why
