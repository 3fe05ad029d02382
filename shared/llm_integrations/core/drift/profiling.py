"""Making the profile of a data set in one pass."""

from __future__ import annotations

import pathlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from llm_integrations.core.arrow import VerdictCounts
from llm_integrations.core.drift.domains import ITEM, named_values
from llm_integrations.core.drift.judged import judged_files, judged_tables
from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.profile import Profile
from llm_integrations.core.drift.sketches.column import ColumnSketch
from llm_integrations.core.drift.sketches.nested_columns import Path, nested_columns
from llm_integrations.core.extras import require_extra
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation import Validator

__all__ = ["profile_tables"]


def profile_tables(
    data: pathlib.Path | Iterable[Any],
    validator: Validator,
    *,
    labels: Labels | None = None,
    alike: Profile | None = None,
    json_columns: tuple[str, ...] = (),
    source: str = "",
) -> Profile:
    """The profile of some data, read once.

    Args:
        data: pyarrow Tables with the same columns each, or a Parquet, CSV or JSONL file, or a list
            of files.
        validator: judges the rows; its option ``nulls`` says how null counts in tables, while in
            JSON lines null is a value.
        labels: how values are named; None for a salt of this profile's own.
        alike: a profile to compare with: where it has categories, they are counted.
        source: the name of the data, for reports.
        json_columns: columns that hold JSON as text and are judged as the values it encodes.

    Raises:
        ConfigurationError: the file cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    require_extra("drift", "pyarrow", "numpy")
    named = labels or Labels()
    if isinstance(data, pathlib.Path):
        data = [data]
    if isinstance(data, list) and all(isinstance(path, pathlib.Path) for path in data):
        judged = judged_files(data, validator)
    else:
        judged = judged_tables(data, validator, json_columns)
    schema = Documents(validator.body, validator.resources)
    columns: dict[str, ColumnSketch] = {}
    parents: dict[str, Path] = {}
    totals: dict[Path, int] = defaultdict(int)
    rows = invalid = 0
    reasons: Counter[str] = Counter()
    for block in judged:
        rows, invalid = rows + block.counts.rows, invalid + block.counts.invalid
        reasons.update(_scaled(block.counts))
        found: dict[Path, int] = {}
        for column in nested_columns(block.columns):
            name, values = column.name, column.values
            if name not in columns:
                within = named_values(schema, (*column.path, ITEM))
                named_here = named_values(schema, column.path)
                missed = totals[column.parent]
                columns[name] = ColumnSketch(named_here, values.type, missed, within)
                parents[name] = column.parent
            columns[name].add(values, column.groups)
            found[column.parent] = len(values)
        found[()] = block.counts.rows
        for parent, count in found.items():
            totals[parent] += count
    known = {} if alike is None else alike.columns
    return Profile(
        schema=validator.reference,
        fingerprint=validator.fingerprint,
        rows=rows,
        invalid=invalid,
        reasons=dict(reasons.most_common()),
        columns={
            name: column.profile(named, totals[parents[name]], known.get(name))
            for name, column in columns.items()
        },
        salt=named.salt,
        key_id=named.key_id,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source=source,
    )


def _scaled(report: VerdictCounts) -> dict[str, int]:
    """Counts of reasons, extrapolated to all invalid rows where only some were explained."""
    explained = report.invalid - report.unexplained
    factor = report.invalid / explained if explained else 1.0
    return {str(reason): round(count * factor) for reason, count in report.reasons.items()}
