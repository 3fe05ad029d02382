"""A whole data set: what is valid, what was set aside and why."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from llm_integrations.core.arrow.run.verdict_counts import checked_share
from llm_integrations.core.config import ValidationOptions, check_choice
from llm_integrations.core.contract import Contract
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.tables import CsvDialect
from llm_integrations.core.tables.remote import check_here
from llm_integrations.datasets.result import DatasetResult
from llm_integrations.datasets.run.inputs import Files, check_dialect, opened
from llm_integrations.datasets.run.row_rules import RowRules, Rules, Unique
from llm_integrations.datasets.run.run import Run
from llm_integrations.datasets.run.workers import checked_processes
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
    schema: Contract,
    *,
    registry: Registry | str | None = None,
    quarantine: str | Path | Quarantine | None = None,
    on_invalid: OnInvalid = "quarantine",
    unique: Unique | None = None,
    rule: Rules | None = None,
    max_invalid: float | None = None,
    options: ValidationOptions | None = None,
    output: str | Path | None = None,
    progress: bool | None = None,
    num_proc: int | None = None,
    delimiter: str | None = None,
    quotechar: str | None = None,
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
        data: a Dataset, DatasetDict or stream; a pyarrow Table, pandas or polars frame, or any
            object that gives Arrow's C stream; a Parquet, Arrow, Feather, CSV or JSONL file of any
            size; a folder, a pattern (``part-*.parquet``) or a list of such files, or a folder of
            ``save_to_disk``. A file may be a URL (``hf://``, ``s3://``, ``https://``): it is copied
            into the cache of `datasets` first.
        schema: as ``training-row@1``, resolved once; or a class (see ``core.models``), a pydantic
            model among others, and no registry.
        registry: a Registry, a URL, or None for the environment's.
        quarantine: the folder for invalid rows (Parquet); None puts it beside the valid ones.
        on_invalid: "quarantine", or "raise" at the first block with an invalid row.
        unique: columns of which no two rows may hold the same value, over all splits and files;
            a tuple of columns is one key together, ``/meta/id`` a member of a struct. Of equal rows
            the first is kept. Null is no key.
        rule: what rows must satisfy besides, called with each valid row: False, or text that says
            why, sets it aside under the rule's name. A callable, several, or a dict of them by
            name.
        max_invalid: the share of rows that may be invalid; None is any. All rows are judged and set
            aside before it is held.
        options: how to judge; by default the registry's, with nulls as above.
        output: a folder that valid rows are written to; None means the cache of `datasets`, and for
            a Dataset no more than where its valid rows are.
        progress: whether to show a bar; None shows it on terminals.
        num_proc: processes that judge at once, as `datasets` names it. JSON lines and Datasets on
            disk are shared out to them; other data is judged by as many threads as there are
            processors, whatever it is.
        delimiter: what stands between the cells of CSV files, as ``";"``; None goes by their names:
            a tab in ``.tsv`` and ``.tab``, a bar in ``.psv``, a comma in others.
        quotechar: what stands around cells that hold it; None is ``"``, the empty string nothing.

    Raises:
        SchemaValidationError: a row is invalid and ``on_invalid`` is "raise", or more rows are than
            ``max_invalid`` allows.
        ConfigurationError: the file or an option cannot be used.
        RegistryError: there is no schema to judge by.
    """
    check_choice("on_invalid", on_invalid, OnInvalid)
    for what, place in (("quarantine", quarantine), ("output", output)):
        check_here(what, place)
    dialect = CsvDialect(delimiter, quotechar)
    found = opened(data)
    check_dialect(dialect, found)
    _check_share(max_invalid, found)
    is_lines = isinstance(found, Files) and found.hold_lines
    nulls: Literal["absent", "strict"] = "strict" if is_lines else "absent"
    validator = table_validator(schema, registry, options, nulls=nulls)
    shown = sys.stderr.isatty() if progress is None else progress
    row_rules, raises = RowRules.of(unique, rule), on_invalid == "raise"
    processes = checked_processes(num_proc)
    run = Run(validator, quarantine, raises, output, shown, row_rules, processes, dialect)
    result = _ran(run, found)
    if max_invalid is not None:
        result.report.check_share(max_invalid)
    return result


def _ran(run: Run, data: Any) -> DatasetResult:
    if isinstance(data, DatasetDict | IterableDatasetDict):
        return run.validate_splits(data)
    return run.validate_files(data) if isinstance(data, Files) else run.validate(data, "dataset")


def _check_share(share: float | None, data: Any) -> None:
    checked_share(share)
    if share is not None and isinstance(data, IterableDataset | IterableDatasetDict):
        raise ConfigurationError(
            "max_invalid cannot be held before a stream was read: afterwards ask "
            "result.report.check_share"
        )
