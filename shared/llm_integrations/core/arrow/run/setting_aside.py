"""Rows that workers found invalid, on their way into a quarantine."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.arrow.run.batches import batches_of
from llm_integrations.core.arrow.run.judged_rows import judged_rows
from llm_integrations.core.arrow.run.verdict_counts import ERRORS, VerdictCounts
from llm_integrations.core.quarantine import Quarantine, rows_of

__all__ = ["set_aside"]

_ID: Final = "record_id"


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
    seen: Counter[str] = Counter()
    written = 0
    for part in parts:
        for batch in batches_of(part):
            reasons = batch.column(errors).to_pylist()
            values = judged_rows(batch.drop_columns([errors]), read)
            positions = [_occurrence(value, seen) for value in values]
            rows = rows_of(
                values,
                reasons,
                positions,
                schema=tally.schema,
                fingerprint=tally.fingerprint,
                source=source,
                nulls=tally.nulls,
            )
            store.add_rows(rows, part=_name(source, rows))
            written += len(rows)
    return written


def _occurrence(value: Any, seen: Counter[str]) -> int:
    """How many equal rows came before this one."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    seen[key] += 1
    return seen[key] - 1


def _name(source: str, rows: list[dict[str, Any]]) -> str:
    digest = hashlib.sha256(source.encode())
    for record in sorted(row[_ID] for row in rows):
        digest.update(record.encode())
    return f"rows-{digest.hexdigest()[:32]}"
