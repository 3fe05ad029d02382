"""Where rows come from, and how the valid ones are kept: a Dataset, or a file of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa

from datasets import Dataset
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables import BLOCK_ROWS, TABLE_SUFFIXES, read_tables, rows_in
from llm_integrations.core.validation import Validator
from llm_integrations.datasets.blocks import Examined

__all__ = ["BLOCK", "DatasetSource", "FileSource", "TableSource", "existing_file", "file_source"]

BLOCK: Final = BLOCK_ROWS
"""Rows judged and written in one step."""

_INDICES: Final = "indices"
"""What `datasets` calls the only column of such a table."""


class TableSource(Protocol):
    """Rows as Arrow tables of BLOCK rows, from any block on; the same each time."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str: ...

    @property
    def rows(self) -> int | None: ...

    @property
    def on_disk(self) -> bool: ...

    def blocks(self, first: int) -> Iterator[pa.Table]: ...

    def kept(self, block: Examined) -> pa.Table:
        """What a run keeps of a block."""
        ...

    def opened(self, kept: Dataset | None, run: str, *, all_valid: bool) -> Dataset:
        """The valid rows, from what a run kept of all blocks; None if there was no block."""
        ...


@dataclass(frozen=True)
class DatasetSource:
    """A Dataset, through its indices. What is kept is where the valid rows are, as ``filter`` of
    `datasets` does: the rows themselves stay where they lie.

    Attributes:
        copies: keep the rows instead.
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

    def blocks(self, first: int) -> Iterator[pa.Table]:
        tables = self.dataset.with_format("arrow")
        for start in range(first * BLOCK, len(tables), BLOCK):
            yield tables[start : start + BLOCK]

    def kept(self, block: Examined) -> pa.Table:
        if self.copies:
            return block.valid
        places = self._places(block.first_row, block.table.num_rows)
        return pa.table({_INDICES: places.filter(block.report.mask)})

    def opened(self, kept: Dataset | None, run: str, *, all_valid: bool) -> Dataset:
        whole = self.dataset
        if kept is None or all_valid:
            return whole
        rows, places = (kept.data, None) if self.copies else (whole.data, kept.data)
        # The same for the same rows, so that what `map` cached is found again.
        fingerprint = sha256(f"{run}|{self.copies}".encode()).hexdigest()[:16]
        info = whole.info.copy()
        valid = Dataset(rows, info, whole.split, indices_table=places, fingerprint=fingerprint)
        form = whole.format
        valid.set_format(
            form["type"], form["columns"], form["output_all_columns"], **form["format_kwargs"]
        )
        return valid

    def _places(self, first: int, rows: int) -> Any:
        """Where some rows are in the Dataset's table (uint64)."""
        if self.dataset._indices is None:
            return pa.array(np.arange(first, first + rows, dtype=np.uint64))
        return self.dataset._indices.fast_slice(first, rows).column(0)


@dataclass(frozen=True)
class FileSource:
    """A Parquet or CSV file, read as a stream.

    Attributes:
        validator: of its rows; see ``read_tables``.
    """

    path: Path
    validator: Validator | None = None

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def identity(self) -> str:
        about = self.path.stat()
        return sha256(
            f"{self.path.resolve()}|{about.st_size}|{about.st_mtime_ns}".encode()
        ).hexdigest()

    @property
    def rows(self) -> int | None:
        return rows_in(self.path)

    @property
    def on_disk(self) -> bool:
        return True

    def blocks(self, first: int) -> Iterator[pa.Table]:
        yield from islice(read_tables(self.path, BLOCK, validator=self.validator), first, None)

    def kept(self, block: Examined) -> pa.Table:
        return block.valid

    def opened(self, kept: Dataset | None, run: str, *, all_valid: bool) -> Dataset:
        return Dataset.from_dict({}) if kept is None else kept


def file_source(path: Path, validator: Validator) -> FileSource:
    """ConfigurationError for a file that is not there or of another kind."""
    if path.is_file() and path.suffix.lower() not in TABLE_SUFFIXES:
        raise ConfigurationError(f"{path}: .parquet, .csv, .jsonl and .ndjson can be validated")
    return existing_file(path, validator)


def existing_file(path: Path, validator: Validator | None = None) -> FileSource:
    """ConfigurationError for a file that is not there."""
    if not path.is_file():
        raise ConfigurationError(f"{path} is no file")
    return FileSource(path, validator)
