"""Opening the ``data`` argument: frames, files, URLs, folders, patterns and lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from datasets import (
    Dataset,
    DatasetDict,
    Features,
    IterableDataset,
    IterableDatasetDict,
    concatenate_datasets,
    config,
    load_from_disk,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables import CSV_SUFFIXES, LINE_SUFFIXES, CsvDialect
from llm_integrations.core.tables.files import row_files
from llm_integrations.core.tables.remote import is_url
from llm_integrations.datasets.columns import check_types

__all__ = ["Files", "check_dialect", "joined", "opened"]

_SAVED: Final = ("dataset_dict.json", "state.json")
"""What ``save_to_disk`` writes into a folder: of all splits, or of one."""


@dataclass(frozen=True)
class Files:
    """Files of rows: local paths by the names that reports use.

    The two differ for a file that was downloaded or unpacked.
    """

    paths: Mapping[str, Path]

    @property
    def hold_lines(self) -> bool:
        """Whether the files are JSON lines, in which null is a value and not a missing one.

        Raises:
            ConfigurationError: there are JSON lines and tables.
        """
        found = {path.suffix.lower() in LINE_SUFFIXES for path in self.paths.values()}
        if len(found) > 1:
            raise ConfigurationError(
                "null means another thing in JSON lines than in tables: judge the files of each "
                "kind by themselves"
            )
        return True in found

    @property
    def hold_cells(self) -> bool:
        """Whether a file is CSV."""
        return any(path.suffix.lower() in CSV_SUFFIXES for path in self.paths.values())


def check_dialect(dialect: CsvDialect, data: Any) -> None:
    """Raise ConfigurationError for a dialect that no file is read by."""
    if dialect and not (isinstance(data, Files) and data.hold_cells):
        raise ConfigurationError(
            f"delimiter and quotechar say how CSV files ({', '.join(CSV_SUFFIXES)}) are read, and "
            "there is none"
        )


def opened(data: Any) -> Any:
    """Open what ``validate_dataset`` takes.

    Returns:
        A Dataset, a stream or a dict of them, for data in memory and folders of ``save_to_disk``;
        Files for other paths.

    Raises:
        ConfigurationError: the data is of no kind that can be read, or a file is missing.
    """
    if isinstance(data, Dataset | DatasetDict | IterableDataset | IterableDatasetDict):
        return data
    if isinstance(data, str | Path):
        return _open_path(data)
    if isinstance(data, list | tuple) and data and all(isinstance(p, str | Path) for p in data):
        return Files(row_files(data, _download_folder()))
    try:
        table = _as_table(data)
        if table is not None:
            check_types(table.schema, f"the {type(data).__name__}")
            return Dataset(table)
    except (ValueError, TypeError, pa.ArrowException) as error:
        # The error's first argument may quote data; pandas names the column in those after it.
        where = "; ".join(map(str, error.args[1:])) or type(error).__name__
        raise ConfigurationError(f"the {type(data).__name__} has no columns: {where}") from None
    made: dict[type, str] = {list: "rows: Dataset.from_list", dict: "columns: Dataset.from_dict"}
    hint = f"; of {made[type(data)]}(…)" if type(data) in made else ""
    raise ConfigurationError(
        "a Dataset, DatasetDict, stream, table, frame, file, folder or list of files can be read, "
        f"not {type(data).__name__}{hint}"
    )


def joined(parts: Mapping[str, Dataset]) -> Dataset:
    """The rows of several files as one Dataset.

    A column of integers in one file and of fractions in another becomes one of fractions; a column
    that a file lacks is null there.

    Raises:
        ConfigurationError: a column's types in two files have no type in common.
    """
    filled = [part for part in parts.values() if len(part)]
    if not filled:
        return Dataset.from_dict({})
    try:
        schemas = [part.features.arrow_schema.remove_metadata() for part in filled]
        features = Features.from_arrow_schema(
            pa.unify_schemas(schemas, promote_options="permissive")
        )
        return concatenate_datasets([_cast(part, features) for part in filled])
    except (ValueError, TypeError, pa.ArrowException):
        raise ConfigurationError(
            f"no columns hold the rows of {', '.join(parts)} together: judge them by themselves"
        ) from None


def _cast(part: Dataset, features: Features) -> Dataset:
    own = Features({name: features[name] for name in part.column_names})
    return part if part.features == own else part.cast(own)


def _as_table(data: Any) -> pa.Table | None:
    """A frame of any library as a table, not copied where Arrow allows it; None for no frame."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    kind = type(data).__module__.partition(".")[0], type(data).__name__
    if kind == ("pandas", "DataFrame"):
        # pandas writes a missing value as NaN, which from_pandas reads as null; the index is no
        # column.
        return pa.Table.from_pandas(data, preserve_index=False)
    if kind in (("polars", "LazyFrame"), ("polars", "DataFrame")):
        return _of_polars(data.lazy().collect())
    return pa.table(data) if hasattr(data, "__arrow_c_stream__") else None


def _of_polars(frame: Any) -> pa.Table:
    # Newer levels give dictionaries of string views, which `datasets` cannot hold.
    oldest = import_module("polars").CompatLevel.oldest()
    table: pa.Table = frame.to_arrow(compat_level=oldest)
    return table


def _open_path(place: str | Path) -> Any:
    if not is_url(place):
        folder = Path(place)
        if folder.is_dir() and any((folder / name).is_file() for name in _SAVED):
            return load_from_disk(str(folder))
    return Files(row_files([place], _download_folder()))


def _download_folder() -> Path:
    return Path(config.HF_DATASETS_CACHE) / "llm-integrations" / "copies"
