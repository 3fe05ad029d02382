"""Rows that workers found invalid, on their way into a quarantine."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from llm_integrations.core.arrow.run.batches import batches_of
from llm_integrations.core.arrow.run.cell_overrides import without_corrupt
from llm_integrations.core.arrow.run.row_texts import row_texts
from llm_integrations.core.arrow.run.verdict_counts import ERRORS, VerdictCounts
from llm_integrations.core.quarantine import Quarantine, RecordColumns
from llm_integrations.core.quarantine.record import hashed_ids
from llm_integrations.core.quarantine.remote import RemoteParts, is_elsewhere

__all__ = ["RowTexts", "set_aside", "set_texts_aside", "texts_of_rows"]

Texts: TypeAlias = tuple[Sequence[str], Sequence[str] | None]
"""``data`` and ``encodings`` of RecordColumns."""

RowTexts: TypeAlias = tuple[Sequence[str], Sequence[str] | None, Any]
"""The same with the ``errors``."""


def set_aside(
    parts: Iterable[Any],
    into: Quarantine | str | Path,
    counts: VerdictCounts,
    *,
    source: str,
    errors: str = ERRORS,
    json_columns: Iterable[str] = (),
    corrupt_record: str | None = None,
    write: Callable[[Any], Texts] | None = None,
) -> int:
    """Write invalid rows into a quarantine, whatever order the workers finished in.

    A record is known by its data, and by how many equal ones came before it: setting the same rows
    aside again adds none, and of equal rows none is lost.

    Args:
        parts: tables of invalid rows with their errors column.
        into: a Quarantine, its folder (Parquet), or the URL of a folder elsewhere.
        counts: the verdict that they are part of.
        source: where the rows come from; the same whenever it is done again.
        json_columns: columns of JSON text that stand for what the text says.
        corrupt_record: the column of what a reader could not read, see ``ArrowPlan``.
        write: makes ``data`` and ``encodings`` of rows; None for what the columns say.

    Returns:
        How many rows were written.
    """
    return set_texts_aside(
        texts_of_rows(parts, errors, tuple(json_columns), corrupt_record, write),
        into,
        counts,
        source=source,
    )


def texts_of_rows(
    parts: Iterable[Any],
    errors: str,
    json_columns: tuple[str, ...] = (),
    corrupt_record: str | None = None,
    write: Callable[[Any], Texts] | None = None,
) -> Iterator[RowTexts]:
    """What a quarantine keeps of invalid rows, batch by batch; arguments as for ``set_aside``."""
    for part in parts:
        for batch in batches_of(part):
            rows = batch.drop_columns([errors])
            if write is not None:
                data, encodings = write(rows)
            else:
                data, encodings = row_texts(without_corrupt(rows, corrupt_record), json_columns)
            yield data, encodings, batch.column(errors)


def set_texts_aside(
    parts: Iterable[RowTexts],
    into: Quarantine | str | Path,
    counts: VerdictCounts,
    *,
    source: str,
) -> int:
    """``set_aside`` for rows that are texts already, as ``texts_of_rows`` makes them."""
    store = _store(into)
    seen: Counter[bytes] = Counter()
    written = 0
    for data, encodings, errors in parts:
        records = RecordColumns(
            data=data,
            errors=errors,
            positions=[_occurrence(text, seen) for text in data],
            encodings=encodings,
            schema=counts.schema,
            fingerprint=counts.fingerprint,
            source=source,
            nulls=counts.nulls,
        )
        store.add_columns(records, part=_name(source, records))
        written += len(records)
    return written


def _store(into: Quarantine | str | Path) -> Quarantine | RemoteParts:
    if isinstance(into, str) and "://" in into and is_elsewhere(into):
        return RemoteParts(into)
    return Quarantine.of(into, "parquet")


def _occurrence(text: str, seen: Counter[bytes]) -> int:
    """How many equal rows came before this one."""
    key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    seen[key] += 1
    return seen[key] - 1


def _name(source: str, records: RecordColumns) -> str:
    digest = hashlib.sha256(source.encode())
    ids = hashed_ids(json.dumps(source), records.columns["position"], records.data)
    for record_id in sorted(ids):
        digest.update(record_id.encode())
    return f"rows-{digest.hexdigest()[:32]}"
