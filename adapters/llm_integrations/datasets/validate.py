"""A whole data set: what is valid, what was set aside and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, TypeAlias

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from llm_integrations.core.config import ValidationOptions, check_choice
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.tables import LINE_SUFFIXES
from llm_integrations.datasets.result import DatasetResult
from llm_integrations.datasets.run.run import Run
from llm_integrations.datasets.run.workers import checked_processes
from llm_integrations.datasets.schema_map import table_validator

__all__ = ["DatasetResult", "validate_dataset"]

Data: TypeAlias = Dataset | DatasetDict | IterableDataset | IterableDatasetDict | str | Path
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
    num_proc: int | None = None,
) -> DatasetResult:
    """Split a data set into its valid rows and a quarantine. No row is lost or counted twice.

    In tables null may stand for a missing value (``nulls="absent"``); in JSON lines null is null.
    What lies on disk is judged block by block; a run that was cut off goes on where it was when it
    is called again. The valid part of a Dataset is the same table with an index of its valid rows,
    as ``Dataset.filter`` gives: nothing is copied. Read in large batches, a copy is faster: give
    ``output``, or call ``flatten_indices()``. The valid rows of a table's file are written to disk;
    of a JSONL file it is kept where the valid lines are, and they become columns when ``valid`` is
    first asked for.

    Args:
        data: a Dataset, DatasetDict, stream, or a Parquet, CSV or JSONL file of any size.
        schema: as ``training-row@1``; resolved once.
        registry: a Registry, a URL, or None for the environment's.
        quarantine: the folder for invalid rows (Parquet); None puts it beside the valid ones.
        on_invalid: "quarantine", or "raise" at the first block with an invalid row.
        options: how to judge; by default the registry's, with nulls as above.
        output: a folder that valid rows are written to; None means the cache of `datasets`, and for
            a Dataset no more than where its valid rows are.
        progress: whether to show a bar; None shows it on terminals.
        num_proc: processes that judge at once, as `datasets` names it. JSON lines and Datasets on
            disk are shared out to them; other data is judged by as many threads as there are
            processors, whatever it is.

    Raises:
        SchemaValidationError: a row is invalid and ``on_invalid`` is "raise".
        ConfigurationError: the file or an option cannot be used.
        RegistryError: there is no schema to judge by.
    """
    check_choice("on_invalid", on_invalid, OnInvalid)
    nulls: Literal["absent", "strict"] = "strict" if _holds_lines(data) else "absent"
    validator = table_validator(schema, registry, options, nulls=nulls)
    shown = sys.stderr.isatty() if progress is None else progress
    raises = on_invalid == "raise"
    run = Run(validator, quarantine, raises, output, shown, checked_processes(num_proc))
    if isinstance(data, DatasetDict | IterableDatasetDict):
        return run.validate_splits(data)
    return run.validate(data, "dataset")


def _holds_lines(data: Data) -> bool:
    return isinstance(data, str | Path) and Path(data).suffix.lower() in LINE_SUFFIXES
