"""A schema ready to judge tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.compile.explanation import Explanation, Note
from llm_integrations.core.arrow.kernels.masks import Bits
from llm_integrations.core.arrow.pyarrow_modules import pa, pc
from llm_integrations.core.arrow.report import ArrowReport
from llm_integrations.core.arrow.run.batches import as_table, over_batches
from llm_integrations.core.arrow.run.explaining import Reasons
from llm_integrations.core.arrow.run.runner import Judged, Running
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.arrow.run.verdict_counts import (
    ERRORS,
    VALID,
    Reason,
    VerdictCounts,
    annotated,
    name_of,
    verdict_counts_of,
)
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.validation.validator import Validator, compile_validator

__all__ = ["ArrowPlan", "ArrowSplit", "compile_arrow"]

_KEPT: Final = 256
_TABLES: Final = ValidationOptions(nulls="absent")


def compile_arrow(
    body: JsonSchema,
    *,
    options: ValidationOptions | None = None,
    schema: Any = None,
    resources: Mapping[str, JsonSchema] | None = None,
    subject: str | None = None,
    reference: str = "",
    json_columns: Iterable[str] = (),
    threads: int | None = None,
) -> ArrowPlan:
    """A plan for a JSON Schema. For one from a registry: ``ArrowPlan(registry.validator(ref, …))``.

    Args:
        body: the schema.
        options: how to judge; None takes null in an optional property as a missing one.
        schema: the Arrow schema of the tables to come, to compile for it now.
        resources: the schemas that a ``$ref`` may name, by the name it uses.
        subject: the schema's name in its registry.
        reference: what reports call the schema, as ``user-profile@2``.
        json_columns: columns of JSON text that stand for what the text says, or places within
            them as ``/messages/*/arguments``; those of Arrow's type for JSON are known.
        threads: batches judged at once; None for as many as there are processors, 8 at the most.

    Raises:
        InvalidSchema: it is no JSON Schema, a reference leads nowhere, or a pattern is refused.
        MissingExtra: pyarrow is not installed.
    """
    validator = compile_validator(
        body,
        options=options or _TABLES,
        resources=resources,
        subject=subject,
        reference=reference,
    )
    plan = ArrowPlan(validator, schema, tuple(json_columns), threads)
    if schema is not None:
        plan.explain()
    return plan


@dataclass(frozen=True)
class ArrowSplit:
    """Attributes: the valid and the invalid rows as tables, for each invalid row its reasons (a
    StringArray of JSON text; see ArrowReport), and the report."""

    valid: Any
    invalid: Any
    reasons: Any
    report: ArrowReport


@dataclass(frozen=True)
class ArrowPlan:
    """Judges tables by one version of one schema, as its row-wise validator judges their rows.

    Pickles as the schema and the options, the same in every process, and compiles again on first
    use for each kind of table. Safe to share between threads.

    Attributes:
        validator: the row-wise judge: the schema, its references and the options.
        schema: the Arrow schema that ``explain`` is about, if it is not told another.
        json_columns: see ``compile_arrow``.
        threads: batches judged at once; None for as many as there are processors, 8 at the most.
        corrupt_record: the column, if there is one, that holds the text of rows which a reader
            could not read: these are invalid, and it is no part of the others.
    """

    validator: Validator
    schema: Any = None
    json_columns: tuple[str, ...] = ()
    threads: int | None = None
    corrupt_record: str | None = None

    def mask(self, data: Any) -> Any:
        """Which rows are valid.

        Args:
            data: a pyarrow Table or RecordBatch.

        Returns:
            A BooleanArray without nulls, as long as the table.

        Raises:
            ConfigurationError: it is no table, or two of its columns have the same name.
            ValidationLimitExceeded: a pattern hit its limit (``regex="bounded"`` only).
        """
        return _mask([judged.bits for judged in self._judged(data)])

    def validate(self, data: Any, *, max_failures: int | None = None) -> ArrowReport:
        """Judge a table, and say what is wrong with its invalid rows.

        Args:
            data: a pyarrow Table or RecordBatch.
            max_failures: how many invalid rows to explain; None explains each one.

        Raises:
            ArrowMismatch: columns and rows were judged differently.
            ConfigurationError, ValidationLimitExceeded: see ``mask``.
        """
        bits, found = [], []
        left = max_failures
        for judged in self._judged(data):
            bits.append(judged.bits)
            found.append(self._running.reasons(judged, left))
            left = None if left is None else left - len(found[-1].texts)
        return self._report(bits, found)

    def split(self, data: Any) -> ArrowSplit:
        """The valid and the invalid rows of a table, with reasons. Raises as ``validate``."""
        table = as_table(data)
        report = self.validate(table)
        reasons = report.failures.column("reasons").combine_chunks()
        if report.is_valid:
            return ArrowSplit(table, table.slice(0, 0), reasons, report)
        invalid = rows_where(table, pc.invert(report.mask))
        return ArrowSplit(rows_where(table, report.mask), invalid, reasons, report)

    def annotate(self, data: Any, *, valid: str = VALID, errors: str = ERRORS) -> Any:
        """The same table or batch with the verdict as two columns more. Raises as ``validate``.

        Args:
            valid: the name of the first: boolean.
            errors: the name of the second: JSON text (see ArrowReport), null for valid rows.
        """
        as_table(data)
        report = self.validate(data)
        texts = pa.nulls(data.num_rows, pa.string())
        if not report.is_valid:
            found = report.failures.column("reasons").combine_chunks()
            texts = pc.replace_with_mask(texts, pc.invert(report.mask), found)
        return annotated(data, report.mask, texts, valid=valid, errors=errors)

    def tally(self, annotated: Any, *, valid: str = VALID, errors: str = ERRORS) -> VerdictCounts:
        """The counts of a table or batch that ``annotate`` made, or of any rows of one."""
        return verdict_counts_of(annotated, self.validator, valid=valid, errors=errors)

    def explain(self, schema: Any = None) -> Explanation:
        """For each keyword whether it is vectorised, and if not, why. Print it.

        Args:
            schema: the Arrow schema of the tables; None for the plan's own.

        Raises:
            ConfigurationError: there is neither, or two columns have the same name.
        """
        columns = self.schema if schema is None else schema
        if columns is None:
            raise ConfigurationError("explain() needs the Arrow schema of the tables to judge")
        running = self._running
        compiled = running.table(running.schema_of(columns))
        notes = (*compiled.notes, *_rule_notes(self.validator))
        return Explanation(name_of(self.validator), self.validator.options.nulls, notes)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the JSON Schema."""
        return self.validator.fingerprint

    @property
    def _running(self) -> Running:
        return _running_for(self.validator, self.json_columns, self.corrupt_record)

    def _judged(self, data: Any) -> Iterator[Judged]:
        return over_batches(self._running.judge, data, self.threads)

    def _report(self, bits: list[Bits], found: list[Reasons]) -> ArrowReport:
        mask = _mask(bits)
        rows = pa.chunked_array([part.rows for part in found], pa.int64())
        texts = pa.chunked_array([part.texts for part in found], pa.string())
        counts: Counter[Reason] = Counter()
        for part in found:
            counts.update(part.counts)
        return ArrowReport(
            rows=len(mask),
            valid=mask.true_count,
            reasons=dict(counts.most_common()),
            mask=mask,
            failures=pa.table({"row": rows, "reasons": texts}),
            unexplained=mask.false_count - len(rows),
            schema=name_of(self.validator),
            fingerprint=self.fingerprint,
            nulls=self.validator.options.nulls,
            warnings=self.validator.warnings,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The version makes caches that hash a plan (datasets) notice when our code changes.
        state = (self.validator, self.schema, self.json_columns, self.threads, self.corrupt_record)
        return _rebuilt, (*state, _our_version())


@lru_cache(maxsize=_KEPT)
def _running_for(
    validator: Validator, json_columns: tuple[str, ...], corrupt_record: str | None
) -> Running:
    """One for all plans that are made of the same validator, so that making one costs nothing."""
    return Running(validator, json_columns, corrupt_record)


def _rule_notes(validator: Validator) -> list[Note]:
    names = validator.rules.names if validator.rules is not None else ()
    return [Note("", f"rule:{name}", "", "by row", "rules are expressions") for name in names]


def _mask(parts: list[Bits]) -> Any:
    return pa.array(np.concatenate(parts) if parts else [], pa.bool_())


def _rebuilt(
    validator: Validator,
    schema: Any,
    json_columns: tuple[str, ...],
    threads: int | None,
    corrupt_record: str | None,
    _version: str,
) -> ArrowPlan:
    known = _known(*validator.__reduce__())
    return ArrowPlan(known, schema, json_columns, threads, corrupt_record)


@lru_cache(maxsize=_KEPT)
def _known(made: Callable[..., Validator], arguments: tuple[Any, ...]) -> Validator:
    """The same validator for the same schema and options. Engines unpickle a plan for each block,
    and what one compiled serves the next."""
    return made(*arguments)


@lru_cache(maxsize=1)
def _our_version() -> str:
    return version("llm-integrations")
