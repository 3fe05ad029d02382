"""Sources of rows, read in blocks: a Dataset, or a file of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from datasets import Dataset
from llm_integrations.core.arrow.run.cell_overrides import kept_columns
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables import (
    BLOCK_ROWS,
    LINE_SUFFIXES,
    TABLE_SUFFIXES,
    CsvDialect,
    read_tables,
    rows_in,
)
from llm_integrations.core.tables.line_block import LineBlock
from llm_integrations.core.validation import Validator
from llm_integrations.datasets.columns import check_types
from llm_integrations.datasets.run import lines
from llm_integrations.datasets.run.blocks import JudgedBlock

__all__ = ["BLOCK", "B", "DatasetSource", "Source", "TableSource", "file_source", "line_source"]

BLOCK: Final = BLOCK_ROWS
"""Rows judged and written in one step."""

_INDICES: Final = "indices"
"""The only column of the indices table that `datasets` keeps for a filtered Dataset."""


B = TypeVar("B", bound=Sized, covariant=True)
"""A block: a pyarrow Table or a LineBlock."""


class Source(Protocol[B]):
    """Rows in blocks, which are the same each time and can be read from any block on."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str: ...

    @property
    def rows(self) -> int | None: ...

    def blocks(self, first: int) -> Iterator[tuple[int, B]]:
        """The blocks from number ``first`` on, each with the position of its first row."""
        ...

    def places(self, first: int) -> Iterator[tuple[int, Any]] | None:
        """As ``blocks``, but with places instead, by which another process reads a block (``at``).

        None where blocks can only be read one after the other.
        """
        ...

    def at(self, place: Any) -> B: ...


class TableSource(Source[pa.Table], Protocol):
    """Rows as Arrow tables."""

    @property
    def on_disk(self) -> bool: ...

    def kept(self, block: JudgedBlock) -> pa.Table:
        """What a run keeps of a judged block: its valid rows, or their indices."""
        ...

    def opened(self, kept: Dataset | None, run: str, *, all_valid: bool) -> Dataset:
        """The valid rows, from what was ``kept`` of all blocks; None if there was no block."""
        ...


@dataclass(frozen=True)
class DatasetSource:
    """A Dataset, whose valid rows are kept as indices, as by ``Dataset.filter``: no row is copied.

    Attributes:
        copies: keep copies of the rows, not indices.
    """

    dataset: Dataset
    name: str
    copies: bool = False

    @property
    def identity(self) -> str:
        return str(self.dataset._fingerprint)

    @property
    def rows(self) -> int:
        return len(self.dataset)

    @property
    def on_disk(self) -> bool:
        return bool(self.dataset.cache_files)

    def blocks(self, first: int) -> Iterator[tuple[int, pa.Table]]:
        for start, place in self.places(first):
            yield start, self.at(place)

    def places(self, first: int) -> Iterator[tuple[int, int]]:
        return ((start, start) for start in range(first * BLOCK, len(self.dataset), BLOCK))

    def at(self, place: int) -> pa.Table:
        return self._as_arrow[place : place + BLOCK]

    @cached_property
    def _as_arrow(self) -> Any:
        """Once, for it copies the features."""
        return self.dataset.with_format("arrow")

    def kept(self, block: JudgedBlock) -> pa.Table:
        if self.copies:
            return block.valid
        places = self._places(block.first_row, block.table.num_rows)
        return pa.table({_INDICES: places.filter(block.report.mask)})

    def opened(self, kept: Dataset | None, run: str, *, all_valid: bool) -> Dataset:
        whole = self.dataset
        if kept is None or all_valid:
            return whole
        rows, places = (kept.data, None) if self.copies else (whole.data, kept.data)
        # The fingerprint depends on the rows alone, so that `map` finds its cache again.
        fingerprint = sha256(f"{run}|{self.copies}".encode()).hexdigest()[:16]
        info = whole.info.copy()
        valid = Dataset(rows, info, whole.split, indices_table=places, fingerprint=fingerprint)
        form = whole.format
        valid.set_format(
            form["type"], form["columns"], form["output_all_columns"], **form["format_kwargs"]
        )
        return valid

    def _places(self, first: int, rows: int) -> Any:
        """The indices of some rows in the Dataset's table (uint64)."""
        if self.dataset._indices is None:
            return pa.array(np.arange(first, first + rows, dtype=np.uint64))
        return self.dataset._indices.fast_slice(first, rows).column(0)


@dataclass(frozen=True)
class FileSource:
    """A file, read as a stream.

    Attributes:
        called: its name in reports; None takes its path.
    """

    path: Path
    called: str | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        return self.called or str(self.path)

    @property
    def identity(self) -> str:
        about = self.path.stat()
        return sha256(
            f"{self.path.resolve()}|{about.st_size}|{about.st_mtime_ns}".encode()
        ).hexdigest()


@dataclass(frozen=True)
class LineSource(FileSource):
    """A JSONL file."""

    rows: int | None = None

    def blocks(self, first: int) -> Iterator[tuple[int, LineBlock]]:
        for block in lines.blocks_of_lines(self.path, first):
            yield block.first, block

    def places(self, first: int) -> Iterator[tuple[int, LineBlock]]:
        return ((place.first, place) for place in lines.places_of_lines(self.path, first))

    def at(self, place: LineBlock) -> LineBlock:
        return place.read(self.path)


@dataclass(frozen=True)
class TableFileSource(FileSource):
    """A Parquet or CSV file.

    Attributes:
        validator: says how cells of a CSV file are read; see ``read_tables``.
        dialect: how they are told apart.
    """

    validator: Validator
    dialect: CsvDialect = field(default_factory=CsvDialect)

    @property
    def identity(self) -> str:
        return f"{super().identity}{self.dialect or ''}"

    @property
    def rows(self) -> int | None:
        return rows_in(self.path)

    @property
    def on_disk(self) -> bool:
        return True

    def blocks(self, first: int) -> Iterator[tuple[int, pa.Table]]:
        found = read_tables(self.path, BLOCK, validator=self.validator, dialect=self.dialect)
        for number, table in enumerate(found):
            if number == 0:
                check_types(kept_columns(table).schema, self.name)
            if number >= first:
                yield number * BLOCK, table

    def places(self, first: int) -> None:
        return None

    def at(self, place: Any) -> pa.Table:
        raise NotImplementedError

    def kept(self, block: JudgedBlock) -> pa.Table:
        return block.valid

    def opened(self, kept: Dataset | None, run: str, *, all_valid: bool) -> Dataset:
        return Dataset.from_dict({}) if kept is None else kept


def file_source(
    path: Path,
    validator: Validator,
    called: str | None = None,
    dialect: CsvDialect = CsvDialect(),  # noqa: B008 - frozen
) -> TableFileSource:
    """A source for a table's file. ConfigurationError if it is missing or of another kind."""
    if _existing(path).suffix.lower() not in TABLE_SUFFIXES:
        known = ", ".join((*TABLE_SUFFIXES, *LINE_SUFFIXES))
        raise ConfigurationError(f"{path}: {known} can be validated")
    return TableFileSource(path, validator, dialect, called=called)


def line_source(path: Path, called: str | None = None) -> LineSource:
    """A source for a JSONL file. ConfigurationError if it is missing."""
    return LineSource(_existing(path), called=called)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(f"{path} is no file")
    return path
