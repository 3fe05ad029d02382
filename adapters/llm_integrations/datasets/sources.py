"""Where rows come from: a Dataset, or a file that need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from datasets import Dataset
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables import BLOCK_ROWS, TABLE_SUFFIXES, read_tables, rows_in

__all__ = ["BLOCK", "DatasetSource", "FileSource", "TableSource", "file_source"]

BLOCK: Final = BLOCK_ROWS
"""Rows judged and written in one step."""


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


@dataclass(frozen=True)
class DatasetSource:
    """A Dataset, through its indices."""

    dataset: Dataset
    name: str

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


@dataclass(frozen=True)
class FileSource:
    """A Parquet or CSV file, read as a stream."""

    path: Path

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
        yield from islice(read_tables(self.path, BLOCK), first, None)


def file_source(path: Path) -> FileSource:
    """ConfigurationError for a file that is not there or of another kind."""
    if not path.is_file():
        raise ConfigurationError(f"{path} is no file")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise ConfigurationError(f"{path}: .parquet, .csv, .jsonl and .ndjson can be validated")
    return FileSource(path)
