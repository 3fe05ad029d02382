"""Judging on many workers: what travels to them, and what their driver counts and sets aside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

import pyarrow as pa

from llm_integrations.core.arrow.lines import LinePlan, check_lines, line_texts
from llm_integrations.core.arrow.plan import ArrowPlan
from llm_integrations.core.arrow.registered_plan import count, plan_for
from llm_integrations.core.arrow.run.setting_aside import RowTexts, set_texts_aside, texts_of_rows
from llm_integrations.core.arrow.run.verdict_counts import (
    ERRORS,
    VALID,
    Reason,
    VerdictCounts,
    checked_share,
    verdict_counts_of,
)
from llm_integrations.core.arrow.unique.keys import Places, Unique, keys_of, repeated_key
from llm_integrations.core.arrow.unique.rows import (
    Condemning,
    KeyDigests,
    Verdicts,
    check_key,
    repeated_rows,
)
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry

__all__ = ["COUNTS", "JudgedData", "Unique", "WorkerJudge"]

T = TypeVar("T")

COUNTS: Final = "counts"
"""The column of ``WorkerJudge.counts``: a VerdictCounts as JSON text."""


class WorkerJudge:
    """Adds the verdict on each row as two columns, on whatever worker the rows are.

    The reference is resolved here, on the driver. What travels to the workers is the schema and
    the options, never a registry: all of them judge by one version, without a request. The verdict
    stays with the rows, so that a part that is computed again after a crash counts once.

    Args:
        schema: as ``training-row@1``.
        registry: a Registry, a URL, or None for the environment's.
        options: how to judge; None means the registry's options, with null in an optional property
            taken as a missing one.
        json_columns: columns of JSON text that stand for what the text says, or places within
            them as ``/messages/*/arguments``; those of Arrow's type for JSON are known.
        corrupt_record: the column, if there is one, that holds the text of rows which a reader
            could not read (Spark's PERMISSIVE mode): these are invalid, and it is no part of the
            others.
        lines: the column of text whose every text is a row as JSON, as ``spark.read.text`` and
            ``ray.data.read_text`` read them. Null is null there unless the options say otherwise.
        valid: the name of the first column: boolean.
        errors: the name of the second: JSON text, null for valid rows.

    Raises:
        ConfigurationError: the two columns have one name, or none.
        RegistryError: there is no schema to judge by.
    """

    module: ClassVar[str]

    def __init__(
        self,
        schema: str | SchemaRef,
        *,
        registry: Registry | str | None = None,
        options: ValidationOptions | None = None,
        json_columns: Iterable[str] = (),
        corrupt_record: str | None = "_corrupt_record",
        lines: str | None = None,
        valid: str = VALID,
        errors: str = ERRORS,
    ) -> None:
        if not valid or not errors or valid == errors:
            raise ConfigurationError(
                f"the verdict needs two columns of different names, not {valid!r} and {errors!r}"
            )
        if lines is not None:
            if not isinstance(json_columns, tuple) or json_columns:
                raise ConfigurationError(
                    "lines= judges whole rows of JSON: leave out json_columns="
                )
            validator = resolve_registry(registry).validator(schema, options=options)
            self.plan: ArrowPlan | LinePlan = LinePlan(validator, lines)
        else:
            # These frameworks run a worker for each core; more threads would stand in line.
            plan = plan_for(
                schema, registry=registry, options=options, json_columns=json_columns, threads=1
            )
            self.plan = replace(plan, corrupt_record=self.corrupt_column(corrupt_record))
        self.valid = valid
        self.errors = errors

    @staticmethod
    def corrupt_column(name: str | None) -> str | None:
        """The column that ``corrupt_record`` names; Spark's session may have another default."""
        return name

    @property
    def reference(self) -> str:
        """The exact version that all workers judge by."""
        return self.plan.validator.reference

    @property
    def verdicts(self) -> Verdicts:
        """How workers read what was judged."""
        return Verdicts(self.plan, self.valid, self.errors)

    def keys(
        self, unique: Unique | None, max_invalid: float | None, columns: Callable[[], Iterable[str]]
    ) -> tuple[Places, ...]:
        """The keys of ``unique``, before anything is judged.

        Args:
            columns: gives the names of the data's columns; asked if there are keys or lines.

        Raises:
            ConfigurationError: an option cannot be used, or there is no such column.
        """
        checked_share(max_invalid)
        keys = keys_of(unique)
        lines = self.plan.column if isinstance(self.plan, LinePlan) else None
        names = list(columns()) if keys or lines is not None else []
        if lines is not None and names:
            check_lines(lines, names)
        for key in keys:
            check_key(self.verdicts, names, key)
        return keys

    def annotate(self, batch: Any) -> Any:
        """A pyarrow Table or RecordBatch with its verdict.

        Raises:
            ConfigurationError: it is something else, or it has such columns already.
        """
        return self.plan.annotate(batch, valid=self.valid, errors=self.errors)

    def counts(self, judged: Any) -> Any:
        """One row for an annotated batch: what was found there."""
        counts = self._verdict_counts(judged)
        return pa.record_batch({COUNTS: pa.array([counts.to_json()])})

    def _verdict_counts(self, judged: Any) -> VerdictCounts:
        by = self.plan.validator
        return verdict_counts_of(judged, by, valid=self.valid, errors=self.errors)

    def texts(self, parts: Iterable[Any]) -> Iterator[RowTexts]:
        """What a quarantine keeps of invalid rows, which lack their ``valid`` column."""
        plan = self.plan
        if isinstance(plan, LinePlan):
            return texts_of_rows(parts, self.errors, write=partial(line_texts, column=plan.column))
        return texts_of_rows(parts, self.errors, plan.json_columns, plan.corrupt_record)

    def total(self, rows: Iterable[Mapping[str, Any]]) -> VerdictCounts:
        """The rows of ``counts`` from all workers added up, also to this process's metrics."""
        none = {self.valid: pa.array([], pa.bool_()), self.errors: pa.array([], pa.string())}
        no_counts = self._verdict_counts(pa.table(none))
        parts = (VerdictCounts.from_dict(json.loads(row[COUNTS])) for row in rows)
        total = reduce(add, parts, no_counts)
        count(total, module=self.module, subject=self.plan.validator.subject)
        return total


@dataclass(frozen=True)
class JudgedData(Generic[T]):
    """What came of judging rows on workers. False when a row is invalid.

    Attributes:
        judged: every row with the columns that hold its verdict; computed already.
        report: the counts and reasons. ``report.rows`` is all rows, valid and invalid.
        by: what judged.
    """

    judged: T
    report: VerdictCounts
    by: WorkerJudge

    def _set_aside(self, parts: Iterable[Any], into: Quarantine | str | Path, source: str) -> int:
        """Write invalid rows, which lack their ``valid`` column; return how many."""
        return set_texts_aside(self.by.texts(parts), into, self.report, source=source)

    def held_to(self, keys: Iterable[Places], max_invalid: float | None) -> Self:
        """The same, where of rows with the same key all but the first are invalid.

        Raises:
            SchemaValidationError: more rows are invalid than ``max_invalid`` allows.
        """
        held = self
        for key in keys:
            held = held._without_repeated(key)
        if max_invalid is not None:
            held.report.check_share(max_invalid)
        return held

    def _without_repeated(self, key: Places) -> Self:
        by = self.by.verdicts
        rows, seen = repeated_rows(self._answers, by, key, self.report.valid)
        if not seen and self.report.valid:
            note = f"unique: no row has a value at {', '.join(key)}"
            return replace(self, report=self.report.with_warning(note))
        if not rows:
            return self
        report = self.report.condemn(sum(map(len, rows.values())), Reason.of(repeated_key(key)))
        return replace(self, judged=self._changed(Condemning(by, key, rows)), report=report)

    def _answers(self, task: KeyDigests) -> Iterable[Any]:
        """What a task says of all parts: pyarrow Tables."""
        raise NotImplementedError

    def _changed(self, task: Condemning) -> T:
        """The judged data after a task went over all of its parts."""
        raise NotImplementedError

    def __bool__(self) -> bool:
        return self.report.is_valid
