"""A whole data set: what is valid, what was set aside and why."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from llm_integrations.core.config import ValidationOptions, check_choice
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.tables.remote import check_here
from llm_integrations.datasets.result import DatasetResult
from llm_integrations.datasets.run.inputs import Files, opened
from llm_integrations.datasets.run.run import Run
from llm_integrations.datasets.schema_map import table_validator

__all__ = ["DatasetResult", "validate_dataset"]


class SupportsArrow(Protocol):
    """A table or frame that Arrow can read."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object: ...


Data: TypeAlias = (
    Dataset
    | DatasetDict
    | IterableDataset
    | IterableDatasetDict
    | str
    | Path
    | Sequence[str | Path]
    | SupportsArrow
)
OnInvalid = Literal["quarantine", "raise"]


def validate_dataset(
    data: Data,
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    quarantine: str | Path | Quarantine | None = None,
    on_invalid: OnInvalid = "quarantine",
    options: ValidationOptions | None = None,
    output: str | Path | None = None,
    progress: bool | None = None,
) -> DatasetResult:
    """Split a data set into its valid rows and a quarantine. No row is lost or counted twice.

    In tables null may stand for a missing value (``nulls="absent"``); in JSON lines null is null.
    What lies on disk is judged block by block; a run that was cut off goes on where it was when it
    is called again. The valid part of a Dataset is the same table with an index of its valid rows,
    as ``Dataset.filter`` gives: nothing is copied. Read in large batches, a copy is faster: give
    ``output``, or call ``flatten_indices()``. The valid rows of a file are written to disk.

    Args:
        data: a Dataset, DatasetDict or stream; a pyarrow Table, pandas or polars frame, or any
            object that gives Arrow's C stream; a Parquet, Arrow, Feather, CSV or JSONL file of any
            size; a folder, a pattern (``part-*.parquet``) or a list of such files, or a folder of
            ``save_to_disk``. A file may be a URL (``hf://``, ``s3://``, ``https://``): it is copied
            into the cache of `datasets` first.
        schema: as ``training-row@1``; resolved once.
        registry: a Registry, a URL, or None for the environment's.
        quarantine: the folder for invalid rows (Parquet); None puts it beside the valid ones.
        on_invalid: "quarantine", or "raise" at the first block with an invalid row.
        options: how to judge; by default the registry's, with nulls as above.
        output: a folder that valid rows are written to; None means the cache of `datasets`, and for
            a Dataset no more than where its valid rows are.
        progress: whether to show a bar; None shows it on terminals.

    Raises:
        SchemaValidationError: a row is invalid and ``on_invalid`` is "raise".
        ConfigurationError: the file or an option cannot be used.
        RegistryError: there is no schema to judge by.
    """
    check_choice("on_invalid", on_invalid, OnInvalid)
    for what, place in (("quarantine", quarantine), ("output", output)):
        check_here(what, place)
    found = opened(data)
    is_lines = isinstance(found, Files) and found.hold_lines
    nulls: Literal["absent", "strict"] = "strict" if is_lines else "absent"
    validator = table_validator(schema, registry, options, nulls=nulls)
    shown = sys.stderr.isatty() if progress is None else progress
    run = Run(validator, quarantine, on_invalid == "raise", output, shown)
    if isinstance(found, DatasetDict | IterableDatasetDict):
        return run.validate_splits(found)
    return run.validate_files(found) if isinstance(found, Files) else run.validate(found, "dataset")
