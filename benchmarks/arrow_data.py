"""A table like training data: texts, an enum, numbers, a list, a struct; 190 bytes a row."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["COLUMNS", "PLAIN_COLUMNS", "SCHEMA", "rows_table", "with_bad_rows"]

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "doc", "prompt", "score"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "doc": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
        "prompt": {"type": "string", "minLength": 1, "maxLength": 400},
        "completion": {"type": "string", "minLength": 1},
        "lang": {"enum": ["en", "de", "fr", "es", "zh"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "tokens": {"type": "integer", "minimum": 1, "maximum": 8192},
        "flag": {"type": "boolean"},
        "tags": {
            "type": "array",
            "maxItems": 8,
            "items": {"type": "string", "minLength": 1, "maxLength": 20},
        },
        "meta": {
            "type": "object",
            "required": ["source"],
            "properties": {
                "source": {"enum": ["web", "book", "code"]},
                "quality": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
    },
}
COLUMNS: Final = list(SCHEMA["properties"])
PLAIN_COLUMNS: Final = COLUMNS[:8]
"""Those that a data frame validator has rules for."""

_WORDS: Final = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "model",
    "token",
    "prompt",
    "answer",
    "schema",
    "value",
)
_BAD: Final[dict[str, Any]] = {
    "id": -1,
    "doc": "nothexxx",
    "prompt": "",
    "completion": "",
    "lang": "xx",
    "score": 1.5,
    "tokens": 0,
}


def rows_table(rows: int) -> pa.Table:
    """Valid rows, the same for the same number."""
    rng = np.random.default_rng(1)

    def pick(pool: pa.Array) -> pa.Array:
        return pool.take(pa.array(rng.integers(0, len(pool), rows)))

    texts = pa.array([" ".join(rng.choice(_WORDS, rng.integers(4, 16))) for _ in range(5_000)])
    sizes = rng.integers(0, 4, rows)
    ends = np.zeros(rows + 1, np.int32)
    np.cumsum(sizes, out=ends[1:])
    tags = pa.array(["a", "bb", "ccc"]).take(pa.array(rng.integers(0, 3, int(ends[-1]))))
    columns = {
        "id": pa.array(np.arange(rows)),
        "doc": pick(pa.array([f"{number:08x}" for number in range(100_000)])),
        "prompt": pick(texts),
        "completion": pick(texts),
        "lang": pick(pa.array(["en", "de", "fr", "es", "zh"])),
        "score": pa.array(rng.random(rows)),
        "tokens": pa.array(rng.integers(1, 8192, rows).astype(np.int32)),
        "flag": pa.array(rng.random(rows) < 0.5),
        "tags": pa.ListArray.from_arrays(pa.array(ends), tags),
        "meta": pa.StructArray.from_arrays(
            [pick(pa.array(["web", "book", "code"])), pa.array(rng.random(rows))],
            ["source", "quality"],
        ),
    }
    return pa.table(columns)


def with_bad_rows(table: pa.Table, share: float = 0.01) -> pa.Table:
    """About this share of the rows made invalid, each in one column."""
    rng = np.random.default_rng(2)
    for name, value in _BAD.items():
        index = table.schema.get_field_index(name)
        column = table.column(index).combine_chunks()
        struck = pa.array(rng.random(len(table)) < share / len(_BAD))
        changed = pc.if_else(struck, pa.scalar(value, column.type), column)
        table = table.set_column(index, name, changed)
    return table
