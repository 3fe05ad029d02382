"""What people bring: frames, files here and elsewhere, folders, patterns and lists of them."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
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
from llm_integrations.core.tables import LINE_SUFFIXES, TABLE_SUFFIXES
from llm_integrations.core.tables.remote import fetch, is_url
from llm_integrations.core.tables.unpack import form_of, unpacked

__all__ = ["Files", "joined", "opened"]

_SUFFIXES: Final = frozenset(TABLE_SUFFIXES + LINE_SUFFIXES)
_SAVED: Final = ("dataset_dict.json", "state.json")
"""What ``save_to_disk`` writes into a folder: of all splits, or of one."""


@dataclass(frozen=True)
class Files:
    """Files of rows by what they are called, which is another thing than where they are for those
    that were copied here."""

    paths: Mapping[str, Path]

    @property
    def hold_lines(self) -> bool:
        """Whether they are JSON lines, where null is null.

        Raises:
            ConfigurationError: some are and some are not.
        """
        found = {path.suffix.lower() in LINE_SUFFIXES for path in self.paths.values()}
        if len(found) > 1:
            raise ConfigurationError(
                "null means another thing in JSON lines than in tables: judge the files of each "
                "kind by themselves"
            )
        return True in found


def opened(data: Any) -> Any:
    """A Dataset, stream or dict of them for all that is held in memory or was saved as such; Files
    for files.

    Raises:
        ConfigurationError: it is something else, or there is no such file.
    """
    if isinstance(data, Dataset | DatasetDict | IterableDataset | IterableDatasetDict):
        return data
    if isinstance(data, str | Path):
        return _place(data)
    if isinstance(data, list | tuple) and data and all(isinstance(p, str | Path) for p in data):
        return Files(_together(data))
    try:
        table = _table(data)
        if table is not None:
            return Dataset(table)
    except (ValueError, TypeError, pa.ArrowException) as error:
        # The first argument may quote a value; pandas' name of the column comes after it.
        where = "; ".join(map(str, error.args[1:])) or type(error).__name__
        raise ConfigurationError(f"the {type(data).__name__} has no columns: {where}") from None
    raise ConfigurationError(
        "a Dataset, DatasetDict, stream, table, frame, file, folder or list of files can be read, "
        f"not {type(data).__name__}"
    )


def joined(parts: Mapping[str, Dataset]) -> Dataset:
    """The rows of several files. Of numbers in a column that are integers in one file and fractions
    in another all become fractions; what a file lacks is null.

    Raises:
        ConfigurationError: no column holds the values of both.
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


def _table(data: Any) -> pa.Table | None:
    """A frame of whatever library as a table, without a copy where Arrow allows it."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    kind = type(data).__module__.partition(".")[0], type(data).__name__
    if kind == ("pandas", "DataFrame"):
        # What is missing is NaN there, which no schema admits; the index is no column.
        return pa.Table.from_pandas(data, preserve_index=False)
    if kind in (("polars", "LazyFrame"), ("polars", "DataFrame")):
        return _of_polars(data.lazy().collect())
    return pa.table(data) if hasattr(data, "__arrow_c_stream__") else None


def _of_polars(frame: Any) -> pa.Table:
    # `datasets` cannot hold categories of views, which is what newer levels give.
    oldest = import_module("polars").CompatLevel.oldest()
    table: pa.Table = frame.to_arrow(compat_level=oldest)
    return table


def _place(place: str | Path) -> Any:
    if not is_url(place):
        folder = Path(place)
        if folder.is_dir() and any((folder / name).is_file() for name in _SAVED):
            return load_from_disk(str(folder))
    return Files(_together([place]))


def _together(places: Iterable[str | Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for place in places:
        found |= _of_url(str(place)) if is_url(place) else _here(place)
    return {name: unpacked(path, _copies()) for name, path in found.items()}


def _of_url(url: str) -> dict[str, Path]:
    return _known(url, fetch(url, _copies()))


def _copies() -> Path:
    return Path(config.HF_DATASETS_CACHE) / "llm-integrations" / "copies"


def _here(place: str | Path) -> dict[str, Path]:
    path = Path(place)
    if path.is_dir():
        return _known(place, {str(one): one for one in sorted(path.rglob("[!._]*"))})
    if glob.has_magic(str(place)) and not path.exists():
        # The pattern may begin anywhere; a Path's begins where the Path is.
        named = map(Path, sorted(glob.glob(str(place), recursive=True)))  # noqa: PTH207 - see above
        return _known(place, {str(one): one for one in named})
    return {str(path): path}


def _known(place: str | Path, found: Mapping[str, Path]) -> dict[str, Path]:
    """Of several files those that hold rows."""
    if len(found) == 1:
        return dict(found)
    known = {name: path for name, path in found.items() if _holds_rows(path)}
    if not known:
        raise ConfigurationError(f"{place}: there is no file of rows ({', '.join(_SUFFIXES)})")
    # Beside other files of rows a JSON document says something about them.
    others = {name: path for name, path in known.items() if path.suffix.lower() != ".json"}
    return others or known


def _holds_rows(path: Path) -> bool:
    return form_of(path) in _SUFFIXES and path.is_file()
