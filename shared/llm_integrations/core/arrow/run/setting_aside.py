"""Rows that workers found invalid, on their way into a quarantine."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_integrations.core.arrow.run.batches import batches_of
from llm_integrations.core.arrow.run.row_texts import row_texts
from llm_integrations.core.arrow.run.verdict_counts import ERRORS, VerdictCounts
from llm_integrations.core.quarantine import Quarantine, RecordColumns
from llm_integrations.core.quarantine.record import hashed_ids

__all__ = ["set_aside"]


def set_aside(
    parts: Iterable[Any],
    into: Quarantine | str | Path,
    tally: VerdictCounts,
    *,
    source: str,
    errors: str = ERRORS,
    json_columns: Iterable[str] = (),
) -> int:
    """Write invalid rows into a quarantine, whatever order the workers finished in.

    A record is known by its data, and by how many equal ones came before it: setting the same rows
    aside again adds none, and of equal rows none is lost.

    Args:
        parts: tables of invalid rows with their errors column.
        into: a Quarantine, or its folder (Parquet).
        tally: the verdict that they are part of.
        source: where the rows come from; the same whenever it is done again.
        json_columns: columns of JSON text that stand for what the text says.

    Returns:
        How many rows were written.
    """
    store = Quarantine.of(into, "parquet")
    read = tuple(json_columns)
    seen: Counter[bytes] = Counter()
    written = 0
    for part in parts:
        for batch in batches_of(part):
            texts, encodings = row_texts(batch.drop_columns([errors]), read)
            records = RecordColumns(
                data=texts,
                errors=batch.column(errors),
                positions=[_occurrence(text, seen) for text in texts],
                encodings=encodings,
                schema=tally.schema,
                fingerprint=tally.fingerprint,
                source=source,
                nulls=tally.nulls,
            )
            store.add_columns(records, part=_name(source, records))
            written += batch.num_rows
    return written


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
