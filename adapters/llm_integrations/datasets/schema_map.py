"""A callable for ``map`` and ``filter``: the verdict as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final, Literal

import pyarrow as pa

from datasets.formatting.formatting import LazyBatch
from llm_integrations.core.arrow import ArrowPlan
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.config import ValidationOptions, check_choice
from llm_integrations.core.contract import Contract, contract_of
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import ValidationReport, Validator

__all__ = ["ERRORS", "VALID", "OnInvalid", "SchemaMap", "table_validator"]

VALID: Final = "schema_valid"
"""The column with the verdict."""
ERRORS: Final = "schema_errors"
"""The column with the reasons: JSON text, a list of objects; empty text for a valid row."""

OnInvalid = Literal["flag", "drop", "raise"]


def table_validator(
    schema: Contract,
    registry: Registry | str | None,
    options: ValidationOptions | None = None,
    *,
    nulls: Literal["absent", "strict"] = "absent",
) -> Validator:
    """The version in force now.

    Args:
        nulls: how null is taken where there are no options; in tables it may stand for a missing
            value.
    """
    reference, client = contract_of(schema, registry)
    return client.validator(reference, options=options or replace(client.validation, nulls=nulls))


class SchemaMap:
    """Judges rows, batches and Arrow tables by the version that is in force when it is made.

    ``dataset.map(SchemaMap(ref))`` adds the columns ``schema_valid`` and ``schema_errors``, with
    ``batched=True`` and in arrow format too, there as fast as the columns. ``dataset.filter``
    takes it as well, and ``SchemaMap(ref).keep`` in streams and in arrow format.

    It carries the schema and options, never a registry: workers (``num_proc``) make no request,
    and the hash that ``datasets`` caches by changes with the schema and with our code alone.

    Args:
        schema: as ``training-row@1``, or a class (see ``core.models``) and no registry.
        registry: a Registry, a URL, or None for the environment's.
        on_invalid: "flag" adds the columns; "drop" leaves invalid rows out (needs
            ``batched=True``); "raise" stops with SchemaValidationError.
        batched: only for streams without a format, whose batches look like rows: say True there
            when you use ``batched=True``.
        options: how to judge; by default the registry's, with null taken as a missing value.
    """

    def __init__(
        self,
        schema: Contract,
        registry: Registry | str | None = None,
        *,
        on_invalid: OnInvalid = "flag",
        batched: bool = False,
        options: ValidationOptions | None = None,
    ) -> None:
        check_choice("on_invalid", on_invalid, OnInvalid)
        self.validator = table_validator(schema, registry, options)
        self.on_invalid: OnInvalid = on_invalid
        self.batched = batched

    def __call__(self, data: Any) -> Any:
        """One row, one batch or one table, as ``map`` hands it over."""
        if isinstance(data, pa.Table):
            return self._table(data)
        if self.batched or isinstance(data, LazyBatch):
            return self._batch(data)
        return self._row(data)

    def keep(self, data: Any) -> Any:
        """For ``filter``: a bool for a row, a list for a batch, a BooleanArray for a table."""
        if isinstance(data, pa.Table):
            return self._plan.mask(data)
        if self.batched or isinstance(data, LazyBatch):
            return [self.validator.is_valid(row) for row in _rows(data)]
        return self.validator.is_valid(dict(data))

    def _row(self, row: Mapping[str, Any]) -> _Row:
        if self.on_invalid == "drop":
            raise ConfigurationError("on_invalid='drop' needs map(…, batched=True)")
        [errors] = self._judge([dict(row)])
        return _Row({VALID: not errors, ERRORS: errors})

    def _batch(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        rows = list(_rows(batch))
        errors = self._judge(rows)
        if self.on_invalid == "drop":
            kept = [index for index, text in enumerate(errors) if not text]
            return {key: [batch[key][i] for i in kept] for key in batch}
        columns: dict[str, list[Any]] = {VALID: [not text for text in errors], ERRORS: errors}
        # A stream's filter refuses a dict by itself, and its map iterates over the columns.
        return columns if self.batched else _Batch(columns)

    def _table(self, table: pa.Table) -> pa.Table:
        if self.on_invalid == "drop":
            return rows_where(table, self._plan.mask(table))
        report = self._plan.validate(table)
        if self.on_invalid == "raise":
            report.raise_if_invalid()
        texts = [""] * table.num_rows
        for row, found in report.violations():
            texts[row] = _text(found)
        return table.append_column(VALID, report.mask).append_column(
            ERRORS, pa.array(texts, pa.string())
        )

    def _judge(self, rows: list[dict[str, Any]]) -> list[str]:
        """For each row its violations as text; empty for a valid one."""
        return [
            "" if self.validator.is_valid(row) else self._reasons(self.validator.validate(row))
            for row in rows
        ]

    def _reasons(self, report: ValidationReport) -> str:
        if self.on_invalid == "raise":
            raise SchemaValidationError(str(report), report=report)
        return _text(report.errors)

    @property
    def _plan(self) -> ArrowPlan:
        return ArrowPlan(self.validator)

    def __getstate__(self) -> dict[str, Any]:
        # Classes hash by their name, so that without it our own upgrade would be a cache hit.
        return {**self.__dict__, "_version": version("llm-integrations")}


class _Row(dict[str, Any]):
    """The new columns of a row for ``map``; for ``filter`` true if the row is valid."""

    def __bool__(self) -> bool:
        return bool(self[VALID])


class _Batch(dict[str, list[Any]]):
    """The new columns of a batch for ``map``; for ``filter`` it iterates over the verdicts.

    ``filter`` would take the names of the columns, all of them true, for the verdicts.
    """

    def __iter__(self) -> Iterator[Any]:
        return iter(self[VALID])


def _rows(batch: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    names = list(batch.keys())
    for values in zip(*(batch[name] for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def _text(errors: Any) -> str:
    return json.dumps(
        [{"path": e.path, "message": e.message, "keyword": e.keyword} for e in errors]
    )
