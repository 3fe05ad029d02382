"""Files of rows of any size as Arrow tables, block by block."""

from llm_integrations.core.tables.csv.dialect import CSV_SUFFIXES, CsvDialect
from llm_integrations.core.tables.reading import (
    BLOCK_ROWS,
    LINE_SUFFIXES,
    TABLE_SUFFIXES,
    read_tables,
    rows_in,
)

__all__ = [
    "BLOCK_ROWS",
    "CSV_SUFFIXES",
    "LINE_SUFFIXES",
    "TABLE_SUFFIXES",
    "CsvDialect",
    "read_tables",
    "rows_in",
]
