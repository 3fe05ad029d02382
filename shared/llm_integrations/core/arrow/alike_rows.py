"""Rows of JSON that are invalid for the same reasons, told by columns that are made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from llm_integrations.core.arrow.compile.alike import Alike
from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.arrow.run.runner import Running
from llm_integrations.core.validation.validator import Validator

__all__ = ["AlikeRows"]

_Kind: TypeAlias = tuple[object, ...]
"""The names of an object's members, then their types: what a table has columns for."""

_TYPES: Final[dict[object, Any]] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    type(None): pa.null(),
}
_WORTH_GROUPING: Final = 32
_WORTH_COMPILING: Final = 128
"""Rows of one kind at once: making a plan for it takes as long as looking at so many."""
_KEPT: Final = 32
"""Kinds that plans are made for."""


class AlikeRows:
    """Finds rows that one of them can speak for. Of one schema.

    Rows are of one kind if they have the same names, and under each a value of the same type: no
    column has a null that is not in each of its rows, and none holds numbers of two types.
    """

    def __init__(self, validator: Validator) -> None:
        self._is_told = validator.rules is None and not validator.options.show_values
        self._running = Running(validator, ())
        self._known: dict[_Kind, tuple[Any, Alike] | None] = {}

    def speakers(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """For each row the number of the first one that is invalid for the same reasons, word for
        word; its own where that is not certain.

        Args:
            rows: what JSON says, each of them invalid.
        """
        speakers = list(range(len(rows)))
        if not self._is_told or len(rows) < _WORTH_GROUPING:
            return speakers
        kinds: defaultdict[_Kind, list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            kinds[(*row, *map(type, row.values()))].append(number)
        for kind, numbers in kinds.items():
            if len(numbers) < _WORTH_GROUPING:
                continue
            firsts: dict[int, int] = {}
            found = self._groups(kind, [rows[number] for number in numbers])
            for number, group in zip(numbers, found, strict=True):
                if group >= 0:
                    speakers[number] = firsts.setdefault(group, number)
        return speakers

    def _groups(self, kind: _Kind, rows: list[dict[str, Any]]) -> Iterable[int]:
        """For each row of a kind its group; -1 for one that has to be looked at by itself."""
        alone = [-1] * len(rows)
        if len(rows) >= _WORTH_COMPILING and len(self._known) < _KEPT and kind not in self._known:
            self._known[kind] = self._compiled(kind)
        known = self._known.get(kind)
        if known is None:
            return alone
        schema, alike = known
        columns = zip(*[row.values() for row in rows], strict=True)
        try:
            batch = pa.record_batch(
                [pa.array(each, of.type) for each, of in zip(columns, schema, strict=True)],
                schema=schema,
            )
        except (OverflowError, UnicodeEncodeError):  # integers of more than 64 bits
            return alone
        groups: list[int] = alike.groups(batch).tolist()
        return groups

    def _compiled(self, kind: _Kind) -> tuple[Any, Alike] | None:
        """None for rows that hold others, and where masks do not tell what is wrong."""
        half = len(kind) // 2
        types = [_TYPES.get(each) for each in kind[half:]]
        if not half or None in types:
            return None
        schema = pa.schema(list(zip(kind[:half], types, strict=True)))
        alike = self._running.table(schema).alike
        return None if alike is None else (schema, alike)
