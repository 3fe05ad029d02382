"""Many records of one source, column by column: no object and no dict for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from llm_integrations.core.quarantine.encoding import write_row
from llm_integrations.core.quarantine.record import encodings_text, hashed_ids

__all__ = ["RecordColumns", "listed", "rows_of", "texts_of"]


@dataclass(frozen=True, kw_only=True, repr=False)
class RecordColumns:
    """Records that were judged by one schema, as ``Quarantine.add_columns`` takes them.

    Attributes:
        data: what was judged, as JSON text. Here and in the next two an Arrow array will do.
        errors: for each record JSON text: a list of [path, message, keyword, schema path].
        positions: for each, which record of the source it is.
        encodings: for each, what its JSON text cannot say, as JSON text; empty for most. None if
            there is no such record.
        schema, fingerprint, source, nulls: as in a QuarantinedRecord.
    """

    data: Any
    errors: Any
    positions: Any
    encodings: Sequence[str] | None = None
    schema: str
    fingerprint: str
    source: str
    nulls: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __len__(self) -> int:
        return len(self.data)

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The columns by name; a single text or None stands for a constant column."""
        return {
            # record_id is left out: it follows from the others and would take longest to compute.
            "record_id": None,
            "schema": self.schema,
            "fingerprint": self.fingerprint,
            "source": self.source,
            "position": _digits(self.positions),
            "at": self.at.isoformat(),
            "errors": self.errors,
            "data": self.data,
            "whole": None,
            "encodings": "" if self.encodings is None else self.encodings,
            "nulls": self.nulls,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each record as ``QuarantinedRecord.to_row`` makes it."""
        columns = {name: listed(column) for name, column in self.columns.items()}
        ids = hashed_ids(json.dumps(self.source), columns["position"], columns["data"])
        columns["record_id"] = list(ids)
        each = {n: c for n, c in columns.items() if not (c is None or isinstance(c, str))}
        for values in zip(*each.values(), strict=True):
            yield {**columns, **dict(zip(each, values, strict=True))}


def texts_of(values: Iterable[Any]) -> tuple[list[str], list[str] | None]:
    """``data`` and ``encodings`` of records that are rows of a table: dicts whose keys are text."""
    written = [write_row(value) for value in values]
    texts = [text for text, _ in written]
    if not any(encodings for _, encodings in written):
        return texts, None
    return texts, [encodings_text(encodings, {}) for _, encodings in written]


def rows_of(
    data: Iterable[Any],
    errors: Iterable[str],
    positions: Iterable[int],
    *,
    schema: str,
    fingerprint: str,
    source: str,
    nulls: str = "",
) -> list[dict[str, Any]]:
    """Rows for ``Quarantine.add_rows``, without an object for each.

    Args:
        data: the records: dicts whose keys are text.
        errors: for each, JSON text: a list of [path, message, keyword, schema path].
        positions: for each, which record of the source it is.
        nulls: how null was taken, "strict" or "absent".
    """
    texts, encodings = texts_of(data)
    columns = RecordColumns(
        data=texts,
        errors=list(errors),
        positions=list(positions),
        encodings=encodings,
        schema=schema,
        fingerprint=fingerprint,
        source=source,
        nulls=nulls,
    )
    return list(columns.rows())


def listed(column: Any) -> Any:
    """A column as a list, if it is one of Arrow's."""
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def _digits(positions: Any) -> Any:
    return positions.cast("string") if hasattr(positions, "cast") else list(map(str, positions))
