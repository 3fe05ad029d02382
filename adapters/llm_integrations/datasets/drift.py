"""Drift of a data set against its baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from llm_integrations.core.drift import (
    BaselineOptions,
    DriftOptions,
    DriftReport,
    Profile,
    ProfileSketch,
    check_data,
    keep_baseline,
    sketch_tables,
)
from llm_integrations.core.registry import SchemaRef
from llm_integrations.core.validation import Validator
from llm_integrations.datasets.columns import json_columns, plain
from llm_integrations.datasets.run.inputs import Files, opened
from llm_integrations.datasets.run.sources import BLOCK, DatasetSource

__all__ = ["detect_drift", "save_baseline"]

_STREAMED = 8192


def detect_drift(
    dataset: Any, schema: str | SchemaRef, **options: Unpack[DriftOptions]
) -> DriftReport:
    """What changed since the baseline: the schema's view first, then each column's distances.

    Args:
        dataset: a Dataset, DatasetDict (its splits together), stream, table, frame or file, as
            ``validate_dataset`` takes them; read once.
        schema: as ``training-row@1``.
        options: the baseline, and what may change; see DriftOptions.

    Returns:
        A report with ``.drifted``, ``.decided``, ``.not_compared``, ``to_markdown()``,
        ``to_json()`` and ``to_html()``. It holds no value but those that the schema itself names,
        unless values may be shown or the baseline was saved with them.

    Raises:
        ConfigurationError: there is no baseline, or data or profile cannot be read.
        RegistryError: there is no schema to judge by.
    """
    return check_data(dataset, schema, _sketched, **options)


def save_baseline(
    dataset: Any, schema: str | SchemaRef, **options: Unpack[BaselineOptions]
) -> Profile:
    """Profile a data set, and keep the profile for ``detect_drift``: some kilobytes of JSON.

    Args:
        dataset, schema: as for ``detect_drift``.
        options: where to keep it; see BaselineOptions.

    Raises:
        ConfigurationError: the registry is no folder and there is no path.
    """
    return keep_baseline(dataset, schema, _sketched, **options)


def _sketched(data: Any, validator: Validator) -> ProfileSketch:
    rows, columns, source = _opened(data)
    return sketch_tables(rows, validator, json_columns=columns, source=source)


def _opened(data: Any) -> tuple[list[Path] | Iterator[pa.Table], tuple[str, ...], str]:
    """The paths of files, or the rows as pyarrow Tables; which columns are JSON text; a name."""
    found = opened(data)
    if isinstance(found, Files):
        return list(found.paths.values()), (), ", ".join(found.paths)
    several = isinstance(found, DatasetDict | IterableDatasetDict)
    parts = list(found.values()) if several else [found]
    features = [part.features for part in parts if part.features is not None]
    columns = {name for known in features for name in json_columns(known.arrow_schema)}
    tables = (plain(table) for part in parts for table in _blocks(part))
    return tables, tuple(sorted(columns)), str(data) if isinstance(data, str | Path) else ""


def _blocks(part: Dataset | IterableDataset) -> Iterator[pa.Table]:
    if isinstance(part, Dataset):
        yield from (table for _, table in DatasetSource(part, "dataset").blocks(0))
    else:
        # Batches of BLOCK rows: small ones cost a round of calls each.
        batches = part.with_format("arrow").iter(_STREAMED)
        yield from _joined(batches)


def _joined(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    for batch in batches:
        held.append(batch)
        if sum(table.num_rows for table in held) >= BLOCK:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
