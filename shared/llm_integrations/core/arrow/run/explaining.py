"""The reasons for rows that a mask calls invalid, in the row-wise validator's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.compile.alike import Alike
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.arrow.run.cell_overrides import BrokenRow, CellOverrides, values_at
from llm_integrations.core.arrow.run.readable import Steps, json_places, not_json
from llm_integrations.core.arrow.run.reason_texts import ReasonTexts
from llm_integrations.core.arrow.run.verdict_counts import Reason
from llm_integrations.core.errors import ArrowMismatch
from llm_integrations.core.validation.evaluator import Evaluator
from llm_integrations.core.validation.report import Violation
from llm_integrations.core.validation.validator import Validator

__all__ = ["Explainer", "Reasons"]

_WORTH_GROUPING: Final = 16


@dataclass(frozen=True)
class Reasons:
    """Attributes: the numbers of bad rows in the table, for each its violations as JSON text (a
    StringArray), and how many rows had which."""

    rows: npt.NDArray[np.int64]
    texts: Any
    counts: Counter[Reason]


@dataclass
class Explainer:
    """Runs the validator on bad rows.

    Attributes:
        validator: the row-wise judge.
        texts: what the violations are written as.
    """

    validator: Validator
    texts: ReasonTexts = field(default_factory=ReasonTexts)

    def explain(
        self,
        batch: Any,
        rows: npt.NDArray[Any],
        first_row: int = 0,
        overrides: Mapping[int, CellOverrides] = MappingProxyType({}),
        broken: Mapping[int, Sequence[Violation]] = MappingProxyType({}),
        alike: Alike | None = None,
    ) -> Reasons:
        """The reasons for these rows of a batch.

        Args:
            first_row: the number of the batch's first row in the table.
            overrides: what stands in some rows instead of what the columns hold.
            broken: the rules that some rows break, which the schema accepts.
            alike: tells which rows are invalid for the same reasons, so that these are put into
                words once.

        Raises:
            ArrowMismatch: the validator finds nothing wrong with one of them.
        """
        if not len(rows):
            return Reasons(rows, pa.array([], pa.string()), Counter())
        looked_at, back = self._to_look_at(batch, rows, {*overrides, *broken}, alike)
        found = self._texts_at(batch, rows[looked_at], first_row, overrides, broken)
        counts: Counter[str] = Counter()
        for text, number in zip(found, np.bincount(back).tolist(), strict=True):
            counts[text] += number
        texts = pa.array(found, pa.string()).take(pa.array(back))
        return Reasons(rows + first_row, texts, self.texts.counted(counts))

    def _texts_at(
        self,
        batch: Any,
        rows: npt.NDArray[Any],
        first_row: int,
        overrides: Mapping[int, CellOverrides],
        broken: Mapping[int, Sequence[Violation]],
    ) -> list[str]:
        places = json_places(batch.schema)
        evaluator = self._evaluator(batch, places)
        values = values_at(batch, rows, overrides)
        texts: list[str] = []
        for number, value in zip(rows, values, strict=True):
            found = broken.get(int(number)) or self._violations(evaluator, value, places)
            if not found:
                raise ArrowMismatch(
                    f"row {first_row + int(number)}: the columns of "
                    f"{self.validator.reference or self.validator.fingerprint} say invalid, and "
                    "the row-wise validator finds nothing; please report this"
                )
            texts.append(self.texts.text(found))
        return texts

    def _to_look_at(
        self, batch: Any, rows: npt.NDArray[Any], apart: Collection[int], alike: Alike | None
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Which of the rows to look at, and for each row which of these speaks for it; the rows
        ``apart`` speak for themselves."""
        each = np.arange(len(rows))
        if alike is None or len(rows) < _WORTH_GROUPING or self.validator.options.show_values:
            return each, each
        groups = alike.groups(_taken(batch, rows))
        groups[np.isin(rows, list(apart))] = -1
        alone = groups < 0
        groups[alone] = -1 - each[alone]
        back = np.asarray(pa.array(groups).dictionary_encode().indices)
        firsts = np.diff(np.maximum.accumulate(back), prepend=-1)
        return np.flatnonzero(firsts), back

    def _evaluator(self, batch: Any, places: Sequence[Steps]) -> Evaluator:
        """The validator's; where no null can be taken for a missing property, one that does not
        look for them in every row."""
        if places or any(map(_has_nulls, batch.columns)):
            return self.validator.compile()
        return self._strict.compile()

    def _violations(
        self, evaluator: Evaluator, row: Any, places: Sequence[Steps]
    ) -> Sequence[Violation]:
        """The mask has said that the row is invalid, so the validator's own verdict is skipped."""
        if isinstance(row, BrokenRow):
            return [Violation("", row.reason, row.keyword)]
        most = self.validator.options.max_errors
        found = evaluator.explain(row, most=most).violations
        return [*_not_json(row, places), *found] if places else found

    @cached_property
    def _strict(self) -> Validator:
        return self.validator.with_options(replace(self.validator.options, nulls="strict"))


def _not_json(row: Any, places: Sequence[Steps]) -> Iterable[Violation]:
    for steps in places:
        for path, _ in not_json(row, steps):
            yield Violation(path, "is not JSON text", "type")


def _has_nulls(array: Any) -> bool:
    """Whether a null may stand anywhere in it."""
    kind = array.type
    if array.null_count or types.is_null(kind):
        return True
    if types.is_struct(kind):
        return any(_has_nulls(array.field(index)) for index in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _has_nulls(array.values)
    return bool(
        types.is_nested(kind) or types.is_dictionary(kind) or types.is_run_end_encoded(kind)
    )


def _taken(batch: Any, rows: npt.NDArray[Any]) -> Any:
    """Some rows of a batch. Not `take`: it cannot take views."""
    chosen = np.zeros(batch.num_rows, np.bool_)
    chosen[rows] = True
    return batch.filter(pa.array(chosen))
