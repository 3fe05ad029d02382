"""What the session in use says."""

# pyright: reportMissingImports=false
# Only the real tests install Ray and Spark.

from __future__ import annotations

from typing import Final

__all__ = ["CORRUPT_RECORD", "corrupt_record_column", "tells_case_apart"]

CORRUPT_RECORD: Final = "_corrupt_record"
"""Spark's own name for the column of what it could not read."""


def corrupt_record_column(name: str | None) -> str | None:
    """The column of what Spark could not read: the session's where none other is named."""
    if name != CORRUPT_RECORD:
        return name
    return _setting("spark.sql.columnNameOfCorruptRecord", CORRUPT_RECORD)


def tells_case_apart() -> bool:
    """Whether ``a`` and ``A`` are two columns."""
    return _setting("spark.sql.caseSensitive", "false") == "true"


def _setting(name: str, default: str) -> str:
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    return default if session is None else str(session.conf.get(name, default))
