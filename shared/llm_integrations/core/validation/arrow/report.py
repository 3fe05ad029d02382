"""What judging a table found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.validation.report import ValidationReport, Violation

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ArrowReport", "Reason", "read_reasons"]

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows are invalid: where (a JSON Pointer, ``*`` for any item of a list) and by which
    keyword."""

    path: str
    keyword: str

    def __str__(self) -> str:
        return f"{self.keyword} at {self.path or '(root)'}"


def read_reasons(text: str) -> tuple[Violation, ...]:
    """The violations in one entry of a reasons column."""
    return tuple(Violation(*parts) for parts in json.loads(text))


@dataclass(frozen=True)
class ArrowReport:
    """The verdict on a table. False when a row is invalid.

    Attributes:
        mask: a BooleanArray, true for each valid row.
        failures: a Table with the columns ``row`` (int64, counted from 0) and ``reasons`` (JSON
            text, a list of [path, message, keyword, schema path]), a row for each explained one.
        reasons: how many rows were invalid for each reason; a row may have several.
        unexplained: invalid rows beyond ``max_failures``, without reasons.
        schema: the schema judged by, as ``subject@version``.
        fingerprint: SHA-256 of that schema.
        nulls: how null was taken, "strict" or "absent".
    """

    mask: Any = field(repr=False)
    failures: Any = field(repr=False)
    reasons: Mapping[Reason, int]
    unexplained: int = 0
    schema: str = ""
    fingerprint: str = ""
    nulls: str = "strict"

    @property
    def rows(self) -> int:
        return len(self.mask)

    @cached_property
    def valid(self) -> int:
        """How many rows are valid."""
        return int(self.mask.true_count)

    @property
    def invalid(self) -> int:
        return self.rows - self.valid

    @property
    def is_valid(self) -> bool:
        return self.invalid == 0

    def __bool__(self) -> bool:
        return self.is_valid

    def violations(self) -> Iterator[tuple[int, tuple[Violation, ...]]]:
        """Each explained row's number with what is wrong in it."""
        for batch in self.failures.to_batches(max_chunksize=4096):
            rows, texts = batch.column("row").to_pylist(), batch.column("reasons").to_pylist()
            yield from zip(rows, map(read_reasons, texts), strict=True)

    def raise_if_invalid(self) -> None:
        """Raise SchemaValidationError unless every row is valid.

        Its report holds the first violations of each row, with the row's number before the path.
        """
        if self.is_valid:
            return
        listed = []
        for row, found in self.violations():
            listed += [
                Violation(f"/{row}{v.path}", v.message, v.keyword, v.schema_path) for v in found
            ]
            if len(listed) >= _SHOWN:
                break
        report = ValidationReport(
            is_valid=False,
            errors=tuple(listed[:_SHOWN]),
            schema=self.schema,
            fingerprint=self.fingerprint,
            nulls=self.nulls,
        )
        raise SchemaValidationError(str(self), report=report)

    def to_dict(self) -> dict[str, Any]:
        """The counts, without the rows: a dict of JSON types."""
        return {
            "schema": self.schema,
            "fingerprint": self.fingerprint,
            "nulls": self.nulls,
            "rows": self.rows,
            "valid": self.valid,
            "invalid": self.invalid,
            "unexplained": self.unexplained,
            "reasons": [
                {"path": reason.path, "keyword": reason.keyword, "rows": rows}
                for reason, rows in self.reasons.items()
            ],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        head = f"{self.valid:,} of {self.rows:,} rows satisfy {self.schema or 'the schema'}"
        shown = "; ".join(f"{reason}: {rows:,}" for reason, rows in list(self.reasons.items())[:3])
        return f"{head} ({shown})" if shown else head

    def __rich__(self) -> Table:
        from rich.table import Table

        title = f"{self.schema} · {self.valid:,} valid, {self.invalid:,} invalid rows"
        table = Table(title=title, caption=f"nulls taken as {self.nulls}")
        table.add_column("where", overflow="fold")
        table.add_column("keyword")
        table.add_column("rows", justify="right")
        for reason, rows in self.reasons.items():
            table.add_row(reason.path or "(root)", reason.keyword, f"{rows:,}")
        if self.unexplained:
            table.add_row("(not looked into)", "", f"{self.unexplained:,}")
        return table
