"""How many rows were valid, and what was wrong with the others. Adds up over parts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.validation.report import ValidationReport, Violation

if TYPE_CHECKING:
    from rich.table import Table

    from llm_integrations.core.validation.validator import Validator

__all__ = [
    "ERRORS",
    "VALID",
    "Reason",
    "VerdictCounts",
    "annotated",
    "checked_share",
    "hold_share",
    "name_of",
    "read_reasons",
    "verdict_counts_of",
]

VALID: Final = "schema_valid"
ERRORS: Final = "schema_errors"
"""The columns that hold a verdict, unless they are called otherwise."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows are invalid: where (a JSON Pointer, ``*`` for any item of a list) and by which
    keyword."""

    path: str
    keyword: str

    @classmethod
    def of(cls, violation: Violation) -> Reason:
        return cls(violation.place, violation.keyword)

    def __str__(self) -> str:
        return f"{self.keyword} at {self.path or '(root)'}"


def read_reasons(text: str) -> tuple[Violation, ...]:
    """The violations in one entry of a reasons column."""
    return tuple(Violation(*parts) for parts in json.loads(text))


def annotated(data: Any, mask: Any, texts: Any, *, valid: str, errors: str) -> Any:
    """A table or batch with its verdict: a BooleanArray, and for invalid rows their reasons.

    Raises:
        ConfigurationError: it has such columns already.
    """
    for name in (valid, errors):
        if name in data.schema.names:
            raise ConfigurationError(f"the table has a column {name!r} already")
    return data.append_column(valid, mask).append_column(errors, texts)


def verdict_counts_of(
    annotated: Any, validator: Validator, *, valid: str, errors: str
) -> VerdictCounts:
    """The counts of a table or batch that has its verdict, or of any rows of one."""
    counts: Counter[Reason] = Counter()
    for text in annotated.column(errors).drop_null().to_pylist():
        counts.update(dict.fromkeys(map(Reason.of, read_reasons(text)), 1))
    return VerdictCounts(
        rows=annotated.num_rows,
        valid=pc.sum(annotated.column(valid), min_count=0).as_py(),
        reasons=dict(counts.most_common()),
        schema=name_of(validator),
        fingerprint=validator.fingerprint,
        nulls=validator.options.nulls,
        warnings=validator.warnings,
    )


class Counts(Protocol):
    """What a share of invalid rows is held against."""

    @property
    def invalid(self) -> int: ...
    @property
    def schema(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def nulls(self) -> str: ...


def checked_share(share: float | None) -> None:
    """ConfigurationError unless it is a share that ``max_invalid`` may be."""
    if share is None:
        return
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise ConfigurationError(f"max_invalid is a share from 0 to below 1, not {share!r}")


def hold_share(
    max_invalid: float, counts: Counts, rows: int, reasons: Mapping[str, int] | Mapping[Reason, int]
) -> None:
    """Raise SchemaValidationError if more than this share of the rows is invalid.

    Args:
        rows: all rows.
        reasons: invalid rows by reason, the most frequent first.
    """
    checked_share(max_invalid)
    # Divided: 0.29 * 100 is below 29.
    if not rows or counts.invalid / rows <= max_invalid:
        return
    listed = [
        Violation("", f"{reason} in {found:,} rows", str(reason).partition(" at ")[0])
        for reason, found in reasons.items()
    ]
    report = ValidationReport(
        False, tuple(listed), (), counts.schema, counts.fingerprint, counts.nulls
    )
    raise SchemaValidationError(
        f"{counts.invalid:,} of {rows:,} rows ({counts.invalid / rows:.2%}) are invalid by "
        f"{counts.schema}, and max_invalid allows {max_invalid:.2%}: {report}",
        report=report,
    )


def name_of(validator: Validator) -> str:
    """What reports call its schema."""
    return validator.reference or f"sha256:{validator.fingerprint[:12]}"


@dataclass(frozen=True, kw_only=True)
class VerdictCounts:
    """The verdict on many rows. False when one is invalid.

    Attributes:
        rows: how many there were.
        valid: how many of them are valid.
        reasons: how many rows were invalid for each reason, the most frequent first; a row may have
            several.
        unexplained: invalid rows whose reasons were not looked for.
        schema: the schema judged by, as ``subject@version``.
        fingerprint: SHA-256 of that schema.
        nulls: how null was taken, "strict" or "absent".
        warnings: what deserves a look besides, as a rule that was not judged.
    """

    rows: int
    valid: int
    reasons: Mapping[Reason, int] = field(default_factory=dict)
    unexplained: int = 0
    schema: str = ""
    fingerprint: str = ""
    nulls: str = "strict"
    warnings: tuple[str, ...] = ()

    @property
    def invalid(self) -> int:
        return self.rows - self.valid

    @property
    def is_valid(self) -> bool:
        return self.invalid == 0

    def __bool__(self) -> bool:
        return self.is_valid

    def __add__(self, other: VerdictCounts) -> VerdictCounts:
        """Both parts together; the schema's name is the first one's."""
        return VerdictCounts(
            rows=self.rows + other.rows,
            valid=self.valid + other.valid,
            reasons=dict((Counter(self.reasons) + Counter(other.reasons)).most_common()),
            unexplained=self.unexplained + other.unexplained,
            schema=self.schema,
            fingerprint=self.fingerprint,
            nulls=self.nulls,
            warnings=tuple(dict.fromkeys(self.warnings + other.warnings)),
        )

    def check_share(self, max_invalid: float) -> None:
        """Raise SchemaValidationError if more than this share of the rows is invalid."""
        hold_share(max_invalid, self, self.rows, self.reasons)

    def condemn(self, rows: int, reason: Reason) -> VerdictCounts:
        """The counts where so many of the valid rows are invalid for another reason."""
        reasons = Counter(self.reasons) + Counter({reason: rows})
        return replace(self, valid=self.valid - rows, reasons=dict(reasons.most_common()))

    def with_warning(self, text: str) -> VerdictCounts:
        return replace(self, warnings=(*self.warnings, text))

    def raise_if_invalid(self) -> None:
        """Raise SchemaValidationError unless every row is valid.

        Its report lists each reason with the number of rows.
        """
        if self.is_valid:
            return
        listed = [
            Violation(reason.path, f"{reason.keyword} in {rows:,} rows", reason.keyword)
            for reason, rows in self.reasons.items()
        ]
        report = ValidationReport(
            is_valid=False,
            errors=tuple(listed),
            warnings=self.warnings,
            schema=self.schema,
            fingerprint=self.fingerprint,
            nulls=self.nulls,
        )
        raise SchemaValidationError(str(self), report=report)

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {
            "schema": self.schema,
            "fingerprint": self.fingerprint,
            "nulls": self.nulls,
            "warnings": list(self.warnings),
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

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VerdictCounts:
        """What ``to_dict`` wrote."""
        return VerdictCounts(
            rows=data["rows"],
            valid=data["valid"],
            reasons={Reason(r["path"], r["keyword"]): r["rows"] for r in data["reasons"]},
            unexplained=data["unexplained"],
            schema=data["schema"],
            fingerprint=data["fingerprint"],
            nulls=data["nulls"],
            warnings=tuple(data.get("warnings", ())),
        )

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
        for warning in self.warnings:
            table.add_row(warning, "note", "")
        return table
