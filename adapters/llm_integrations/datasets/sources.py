"""Where rows come from: a Dataset, or a file that need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from datasets import Dataset
from llm_integrations.core.errors import ConfigurationError

__all__ = ["BLOCK", "DatasetSource", "FileSource", "TableSource", "file_source"]

BLOCK: Final = 262_144
"""Rows judged and written in one step: some 50 MB of an ordinary table."""


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
        if self.path.suffix.lower() != ".parquet":
            return None
        from pyarrow import parquet

        with self._readable():
            return int(parquet.read_metadata(self.path).num_rows)

    @property
    def on_disk(self) -> bool:
        return True

    def blocks(self, first: int) -> Iterator[pa.Table]:
        with self._readable():
            for number, block in enumerate(_joined(self._batches())):
                if number >= first:
                    yield block

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error}") from None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self.path.suffix.lower() == ".parquet":
            from pyarrow import parquet

            with parquet.ParquetFile(self.path) as file:
                yield from file.iter_batches(65_536)
        else:
            from pyarrow import csv

            options = csv.ConvertOptions(strings_can_be_null=True, null_values=[""])
            with csv.open_csv(self.path, convert_options=options) as reader:
                yield from reader


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of BLOCK rows, whatever the sizes of the batches."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        while count >= BLOCK:
            table = pa.Table.from_batches(held)
            yield table.slice(0, BLOCK)
            rest = table.slice(BLOCK)
            held, count = rest.to_batches(), rest.num_rows
    if count:
        yield pa.Table.from_batches(held)


def file_source(path: Path) -> FileSource:
    """ConfigurationError for a file that is not there or of another kind."""
    if not path.is_file():
        raise ConfigurationError(f"{path} is no file")
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise ConfigurationError(f"{path}: .parquet, .csv, .jsonl and .ndjson can be validated")
    return FileSource(path)
