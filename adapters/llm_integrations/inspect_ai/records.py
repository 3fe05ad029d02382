"""The records of a file, as they stand there and as a schema judges them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspect_ai._util.file import file
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.files import reason_of
from llm_integrations.core.tables.json_line import NoRow, read_row
from llm_integrations.core.validation import Validator

__all__ = ["Record", "read_records"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        raw: what a Sample is made of; all of the text where it is no record.
        judged: what the schema judges.
        broken: why it is no record at all; without data.
    """

    raw: Any
    judged: Any
    broken: str | None = None


def read_records(
    path: Path | str, validator: Validator, options: Mapping[str, Any]
) -> list[Record]:
    """The records of a ``.json``, ``.jsonl`` or ``.csv`` file; a line that is none is broken.

    Args:
        options: ``encoding`` and ``fs_options`` as for ``json_dataset``; ``dialect``,
            ``fieldnames`` and ``delimiter`` as for ``csv_dataset``.

    Raises:
        ConfigurationError: the file cannot be read, or is of another kind.
        MissingExtra: pyarrow, which reads the cells of CSV, is not installed.
    """
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise ConfigurationError(
            f"{path} is no .json, .jsonl or .csv file; pass its records instead"
        )
    try:
        with file(str(path), "rb", fs_options=options.get("fs_options") or {}) as stream:
            text = stream.read().decode(options.get("encoding") or "utf-8-sig", "surrogateescape")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None
    except (UnicodeDecodeError, LookupError) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from None
    try:
        return list(reader(text, validator, options))
    except (ValueError, RecursionError, csv.Error) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from None


def _lines(text: str, _validator: Validator, _options: Mapping[str, Any]) -> Iterator[Record]:
    for line in text.split("\n"):
        if line.strip():
            try:
                row = read_row(line.encode("utf-8", "surrogateescape"))
            except NoRow as error:
                printable = line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                yield Record(printable, printable, str(error))
            else:
                yield Record(row, row)


def _array(text: str, _validator: Validator, _options: Mapping[str, Any]) -> Iterator[Record]:
    document = json.loads(text)
    for row in document if isinstance(document, list) else [document]:
        yield Record(row, row, None if isinstance(row, dict) else "the record is no object")


def _cells(text: str, validator: Validator, options: Mapping[str, Any]) -> Iterator[Record]:
    """Rows of CSV: texts for the sample, and judged as ``validate_dataset`` reads cells."""
    delimiter = {"delimiter": options["delimiter"]} if options.get("delimiter") else {}
    stream = io.StringIO(text, newline="")
    rows = csv.reader(stream, options.get("dialect", "unix"), **delimiter)
    lines = [row for row in rows if any(cell.strip() for cell in row)]
    names = list(options.get("fieldnames") or (lines.pop(0) if lines else ()))
    whole = [row for row in lines if len(row) == len(names)]
    judged = iter(_typed(names, whole, validator))
    for row in lines:
        if len(row) == len(names):
            yield Record(dict(zip(names, row, strict=True)), next(judged))
        else:
            reason = f"the row has {len(row)} cells, the header {len(names)}"
            yield Record(row, row, reason)


def _typed(
    names: list[str], rows: list[list[str]], validator: Validator
) -> Iterable[dict[str, Any]]:
    require_extra("inspect", "pyarrow")
    import pyarrow as pa

    from llm_integrations.core.tables.admitted import admitted_types
    from llm_integrations.core.tables.csv.columns import CsvColumn, settled

    columns: list[list[Any]] = []
    for index, name in enumerate(names):
        texts = pa.array([row[index] or None for row in rows], pa.string())
        column = CsvColumn.of(admitted_types(validator, name))
        if column.type is None:
            [column] = settled([column], [[texts]])
        cells = column.read(texts)
        values = cells.array.to_pylist()
        for position, value in cells.overrides.items():
            values[position] = value
        columns.append(values)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


_READERS = {".json": _array, ".jsonl": _lines, ".csv": _cells}
