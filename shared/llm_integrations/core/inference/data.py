"""Inferring a schema from rows, pyarrow Tables or files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import reason_of
from llm_integrations.core.inference.observed_values import ObservedValues
from llm_integrations.core.inference.schema import Style, schema_of
from llm_integrations.core.observability import get_logger
from llm_integrations.core.tables import LINE_SUFFIXES, read_tables
from llm_integrations.core.tables.csv.dialect import CSV_SUFFIXES, CsvDialect
from llm_integrations.core.tables.json_line import NoRow, read_row
from llm_integrations.core.tables.unpack import document_lines

_logger = get_logger(__name__)

__all__ = ["infer_files", "infer_rows", "infer_tables"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def infer_rows(rows: Iterable[Any], style: Style = Style()) -> dict[str, Any]:  # noqa: B008 - frozen
    """The schema of JSON values, in which null is null."""
    observed = ObservedValues()
    for row in rows:
        observed.add(row)
    return _whole(observed, style)


def infer_tables(tables: Iterable[Any], style: Style = Style()) -> dict[str, Any]:  # noqa: B008 - frozen
    """The schema of the rows of pyarrow Tables, in which null is a missing value."""
    observed = ObservedValues()
    for table in tables:
        _add_table(observed, table)
    return _whole(observed, style)


def infer_files(
    paths: Iterable[Path],
    style: Style = Style(),  # noqa: B008 - frozen
    dialect: CsvDialect | None = None,
) -> dict[str, Any]:
    """The schema of the rows of files: JSON lines, a JSON array, Parquet, Arrow, CSV.

    Lines that are no JSON object are left out, and counted in the log.

    Args:
        dialect: how the cells of CSV files are told apart; None goes by their names.

    Raises:
        ConfigurationError: a file cannot be read, or there is no row.
    """
    observed = ObservedValues()
    for path in paths:
        if path.suffix.lower() in (".json", *LINE_SUFFIXES):
            for row in _rows(path):
                observed.add(row)
        else:
            is_csv = path.suffix.lower() in CSV_SUFFIXES
            for table in read_tables(path, dialect=dialect):
                _add_table(observed, _as_written(table) if is_csv else table)
    return _whole(observed, style)


def _whole(observed: ObservedValues, style: Style) -> dict[str, Any]:
    if not observed.count:
        raise ConfigurationError("there is no row to infer a schema from")
    return {"$schema": _DIALECT, **schema_of(observed, style)}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    left_out = 0
    try:
        for line in document_lines(path) if path.suffix.lower() == ".json" else _lines(path):
            try:
                yield read_row(line)
            except NoRow:
                left_out += bool(line.strip())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {reason_of(error)}") from None

    if left_out:
        _logger.warning("%s: lines left out, as they hold no JSON object: %d", path, left_out)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from stream


def _add_table(observed: ObservedValues, table: Any) -> None:
    """Observe a table: scalars by their distinct values, nested columns row by row."""
    import numpy as np

    from llm_integrations.core.arrow.compile.table import check_names
    from llm_integrations.core.arrow.pyarrow_modules import pa, types
    from llm_integrations.core.arrow.run.cell_overrides import (
        BrokenRow,
        judged_columns,
        overrides_of,
    )
    from llm_integrations.core.arrow.run.judged_rows import judged_rows

    check_names(table.schema)
    # A row of a CSV file that is none says nothing of the others.
    broken = [row for row, cells in overrides_of(table).items() if isinstance(cells, BrokenRow)]
    if broken:
        table = table.take(np.delete(np.arange(table.num_rows), broken))
    table = judged_columns(table)
    observed.add_rows_of(table.schema.names, table.num_rows)
    plain = [n for n, f in enumerate(table.schema) if not _is_deep(f.type, pa, types)]
    for number in plain:
        member = observed.member_of(table.schema.names[number])
        for value, times in _counted(table.column(number)):
            if value is not None:
                member.add(value, times)
    deep = [number for number in range(table.num_columns) if number not in plain]
    for row in judged_rows(table.select(deep)) if deep else ():
        for name, value in row.items():
            if value is not None:
                observed.member_of(name).add(_without_nulls(value))


def _is_deep(kind: Any, pa: Any, types: Any) -> bool:
    return bool(types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType))


def _counted(column: Any) -> Iterator[tuple[Any, int]]:
    from llm_integrations.core.arrow.kernels.python_values import python_values
    from llm_integrations.core.arrow.pyarrow_modules import pa, types

    if types.is_string_view(column.type):
        # value_counts takes the nulls of a view as empty texts.
        column = column.cast(pa.large_string())
    try:
        found = column.value_counts()
    except pa.ArrowNotImplementedError:
        yield from ((value, 1) for chunk in column.chunks for value in python_values(chunk))
        return
    counts = found.field("counts").to_pylist()
    yield from zip(python_values(found.field("values")), counts, strict=True)


def _without_nulls(value: Any) -> Any:
    """Members of objects that are null are missing; items of lists are null."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(v) for name, v in value.items() if v is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _as_written(table: Any) -> Any:
    """A CSV table with times as text again: the schema sees the cells of a CSV file as text."""
    from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types

    for number, field in enumerate(table.schema):
        if types.is_timestamp(field.type):
            missing = table.column(number).is_null()
            texts = pa.array(["text"] * table.num_rows, pa.string())
            texts = pc.if_else(missing, pa.scalar(None, pa.string()), texts)
            table = table.set_column(number, field.name, texts)
    return table
