"""``unique=`` over many workers: they name their keys, their driver finds those that repeat."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from llm_integrations.core.arrow.lines import LinePlan
from llm_integrations.core.arrow.plan import ArrowPlan
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.arrow.run.batches import as_table
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.arrow.unique.keys import (
    Places,
    Rows,
    column_of,
    digests,
    key_texts,
    member_texts,
    repeated_codes,
    repeated_key,
    value_codes,
)

__all__ = ["KEYS", "Condemning", "KeyDigests", "PartTask", "Verdicts", "check_key", "repeated_rows"]

KEYS: Final = pa.schema([("key", pa.binary()), ("part", pa.int32()), ("row", pa.int64())])
"""What a worker tells of its rows' keys: a digest of each, and where it is."""

PartTask: TypeAlias = Callable[[Any, int, int], Any]
"""``task(batch, part, first)``: rows of a part of judged data, its number, the first one's place
within it."""

_AT_ONCE: Final = 16_000_000
"""Digests that the driver holds at one time."""
_MOST_ROUNDS: Final = 256


@dataclass(frozen=True)
class Verdicts:
    """How the rows of judged data are read: their plan, and the columns of their verdict."""

    plan: ArrowPlan | LinePlan
    valid: str
    errors: str

    def texts(self, rows: Any, key: Places) -> list[list[str | None]]:
        """What makes the key of each row, a list for each of its places."""
        if isinstance(self.plan, LinePlan):
            return member_texts(self.plan.rows(rows), key)
        return key_texts(as_table(rows), key, self.plan.json_columns)


def check_key(verdicts: Verdicts, names: Iterable[str], key: Places) -> None:
    """ConfigurationError if data of these columns can have no such key."""
    if not isinstance(verdicts.plan, LinePlan):
        for place in key:
            column_of(place, list(names))


@dataclass(frozen=True)
class KeyDigests:
    """Names the keys of the valid rows; of all keys those that one of several rounds is about."""

    by: Verdicts
    key: Places
    round: int = 0
    rounds: int = 1

    def __call__(self, batch: Any, part: int, first: int) -> Any:
        mask = batch.column(self.by.valid)
        rows = np.flatnonzero(np.asarray(mask))
        found = list(digests(self.by.texts(rows_where(batch, mask), self.key)))
        chosen = [
            at
            for at, key in enumerate(found)
            if key is not None and key[0] % self.rounds == self.round
        ]
        return pa.record_batch(
            [
                pa.array([found[at] for at in chosen], pa.binary()),
                pa.array(np.full(len(chosen), part), pa.int32()),
                pa.array(first + rows[chosen], pa.int64()),
            ],
            schema=KEYS,
        )


@dataclass(frozen=True)
class Condemning:
    """Turns the verdict on rows that have another row's key.

    Attributes:
        rows: their places by the numbers of their parts, in order.
    """

    by: Verdicts
    key: Places
    rows: Mapping[int, Rows]

    def __call__(self, batch: Any, part: int, first: int) -> Any:
        places = self.rows.get(part, np.array([], np.int64)) - first
        places = places[(places >= 0) & (places < batch.num_rows)]
        if not len(places):
            return batch
        condemned = np.zeros(batch.num_rows, bool)
        condemned[places] = True
        wrong = repeated_key(self.key)
        text = json.dumps([[wrong.path, wrong.message, wrong.keyword, wrong.schema_path]])
        mask, schema = pa.array(condemned), batch.schema
        valid, errors = (schema.get_field_index(name) for name in (self.by.valid, self.by.errors))
        verdicts = pc.and_not(batch.column(valid), mask)
        texts = pc.if_else(mask, text, batch.column(errors)).cast(schema.field(errors).type)
        batch = batch.set_column(valid, schema.field(valid), verdicts)
        return batch.set_column(errors, schema.field(errors), texts)


def repeated_rows(
    ask: Callable[[KeyDigests], Iterable[Any]], by: Verdicts, key: Places, valid: int
) -> tuple[dict[int, Rows], int]:
    """The rows whose key an earlier row has, by part; and how many rows have a key.

    The driver holds some digests of 16 bytes at one time and asks in rounds for those of more rows.

    Args:
        ask: runs over all parts; gives tables as KEYS says.
        valid: how many rows are valid.
    """
    rounds = min(-(-valid // _AT_ONCE) or 1, _MOST_ROUNDS)
    found: dict[int, list[Rows]] = {}
    seen = 0
    for number in range(rounds):
        answers = [as_table(part).cast(KEYS) for part in ask(KeyDigests(by, key, number, rounds))]
        keys = pa.concat_tables([KEYS.empty_table(), *answers])
        keys = keys.sort_by([("part", "ascending"), ("row", "ascending")]).combine_chunks()
        seen += keys.num_rows
        again = keys.take(pa.array(repeated_codes(value_codes(keys["key"].combine_chunks()))))
        parts, rows = again["part"].to_numpy(), again["row"].to_numpy()
        for part in np.unique(parts).tolist():
            found.setdefault(part, []).append(rows[parts == part].astype(np.int64))
    return {part: np.sort(np.concatenate(rows)) for part, rows in found.items()}, seen
