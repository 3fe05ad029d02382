"""How the cells of a CSV file are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from llm_integrations.core.errors import ConfigurationError

__all__ = ["CSV_SUFFIXES", "CsvDialect"]

_DELIMITERS: Final[Mapping[str, str]] = MappingProxyType(
    {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}
)
CSV_SUFFIXES: Final = tuple(_DELIMITERS)
_OTHERS: Final = ";\t|"


@dataclass(frozen=True)
class CsvDialect:
    """What stands between cells, and around a cell that holds it.

    Attributes:
        delimiter: one ASCII character; None takes it from the file's name: a comma, in ``.tsv`` and
            ``.tab`` a tab, in ``.psv`` a bar.
        quotechar: one ASCII character, which stands twice where a cell holds it; None is ``"``,
            the empty string none at all.
    """

    delimiter: str | None = None
    quotechar: str | None = None

    def __post_init__(self) -> None:
        for name in ("delimiter", "quotechar"):
            one = getattr(self, name)
            if one is None or (name == "quotechar" and one == ""):
                continue
            if not isinstance(one, str) or len(one) != 1 or not one.isascii() or one in "\r\n\0":
                raise ConfigurationError(f"{name} is one ASCII character, not {one!r}")
        if self.delimiter is not None and self.delimiter == self.quote:
            raise ConfigurationError(f"delimiter and quotechar are both {self.delimiter!r}")

    def __bool__(self) -> bool:
        """Whether it says more than a file's name does."""
        return self != CsvDialect()

    @property
    def quote(self) -> str:
        return '"' if self.quotechar is None else self.quotechar

    def between(self, path: Path) -> str:
        """What stands between the cells of this file."""
        return self.delimiter or _DELIMITERS.get(path.suffix.lower(), ",")

    def check_names(self, names: list[str], path: Path) -> None:
        """Raise ConfigurationError if the header looks like that of another dialect: all of a row
        would be one cell, of a name that no schema speaks of."""
        if self.delimiter is not None or len(names) != 1:
            return
        found = [other for other in _OTHERS if other in names[0]]
        if found:
            raise ConfigurationError(
                f"{path}: there is one column, whose name holds {found[0]!r}: if that stands "
                f"between cells, say delimiter={found[0]!r}; if not, "
                f"delimiter={self.between(path)!r}"
            )
