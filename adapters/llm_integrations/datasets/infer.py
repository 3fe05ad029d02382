"""Inferring a JSON Schema from a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from llm_integrations.core.inference import infer_files, infer_rows, infer_tables
from llm_integrations.core.inference.schema import Style
from llm_integrations.core.tables import CsvDialect
from llm_integrations.datasets.run.inputs import Files, check_dialect, opened
from llm_integrations.datasets.run.sources import DatasetSource

__all__ = ["infer_schema"]

_STREAMED = 8192


def infer_schema(
    data: Any,
    *,
    ranges: bool = False,
    max_enum: int = 10,
    delimiter: str | None = None,
    quotechar: str | None = None,
) -> dict[str, Any]:
    """A JSON Schema that all rows satisfy, as a person would write it: types, what is required,
    formats, and enumerations where few words come again and again.

    All rows are read. In tables null is a missing value, so that its column is not required; in
    JSON lines null is null. Objects whose names are data are maps.

    Args:
        data: all that ``validate_dataset`` takes, a ``.json`` file, or a list of rows.
        ranges: say the least and the greatest number as well.
        max_enum: words that an enumeration has at the most; 0 writes none.
        delimiter, quotechar: how CSV files are read, as for ``validate_dataset``.

    Raises:
        ConfigurationError: the data cannot be read, or there is no row.
    """
    style, dialect = Style(ranges, max_enum), CsvDialect(delimiter, quotechar)
    if isinstance(data, list | tuple) and not any(isinstance(row, str | Path) for row in data):
        return infer_rows(data, style)
    found = opened(data)
    check_dialect(dialect, found)
    if isinstance(found, Files):
        return infer_files(found.paths.values(), style, dialect)
    several = isinstance(found, DatasetDict | IterableDatasetDict)
    parts = list(found.values()) if several else [found]
    return infer_tables((table for part in parts for table in _tables(part)), style)


def _tables(part: Dataset | IterableDataset) -> Iterator[pa.Table]:
    if isinstance(part, Dataset):
        yield from (table for _, table in DatasetSource(part, "").blocks(0))
    else:
        yield from part.with_format("arrow").iter(_STREAMED)
