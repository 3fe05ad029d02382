"""One record that was set aside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.validation.report import NO_RECORD, Violation

if TYPE_CHECKING:
    from llm_integrations.core.validation.report import ValidationReport

__all__ = ["QuarantinedRecord", "record_id_of", "rows_of"]


_text: Final = json.JSONEncoder(ensure_ascii=False, default=str).encode
"""Made once: ``json.dumps`` makes an encoder for each call that is not by its defaults."""


def record_id_of(source: str, position: int | str | None, data: str) -> str:
    """The same id for the same record of the same place (hex), so that a retry adds nothing."""
    return _hashed(json.dumps(source), json.dumps(position), data)


def _hashed(source: str, position: str, data: str) -> str:
    text = f"[{source}, {position}, {json.dumps(data)}]"
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def rows_of(
    data: Iterable[Any],
    errors: Iterable[str],
    positions: Iterable[int],
    *,
    schema: str,
    fingerprint: str,
    source: str,
) -> list[dict[str, Any]]:
    """Rows for ``Quarantine.add_rows`` without an object for each: for tables of millions.

    Args:
        data: the records.
        errors: for each, JSON text: a list of [path, message, keyword, schema path].
        positions: for each, which record of the source it is.
    """
    at = _now().isoformat()
    place = json.dumps(source)
    rows = []
    for value, reasons, position in zip(data, errors, positions, strict=True):
        text = _text(value)
        rows.append(
            {
                "record_id": _hashed(place, str(position), text),
                "schema": schema,
                "fingerprint": fingerprint,
                "source": source,
                "position": str(position),
                "at": at,
                "errors": reasons,
                "data": text,
            }
        )
    return rows


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record with the reason why it is here. Holds the data itself: keep it where it is safe.

    Attributes:
        data: the record as JSON text, exactly as it was judged.
        errors: what is wrong with it.
        schema: the exact reference it was judged by.
        fingerprint: SHA-256 of that schema.
        source: where it came from, as a file, a data set or a pipeline.
        position: which record of the source, if that is known.
        at: when it was set aside, in UTC.
    """

    data: str
    errors: tuple[Violation, ...]
    schema: str
    fingerprint: str = ""
    source: str = ""
    position: int | str | None = None
    at: datetime = field(default_factory=_now)

    @classmethod
    def of(
        cls,
        data: Any,
        report: ValidationReport,
        *,
        source: str = "",
        position: int | str | None = None,
    ) -> Self:
        """From data and the report that condemned it; what JSON lacks is kept as text."""
        return cls(_text(data), report.errors, report.schema, report.fingerprint, source, position)

    @property
    def record_id(self) -> str:
        return record_id_of(self.source, self.position, self.data)

    @property
    def value(self) -> Any:
        """The record, parsed."""
        return json.loads(self.data)

    @property
    def is_readable(self) -> bool:
        """Whether it is a record at all, and not a line that could not be read as one."""
        return NO_RECORD.isdisjoint(error.keyword for error in self.errors)

    @property
    def reason(self) -> str:
        """The first violation without its data, for counting: keyword and place."""
        if not self.errors:
            return "unknown"
        first = self.errors[0]
        return f"{first.keyword} at {first.path or '(root)'}"

    def to_row(self) -> dict[str, Any]:
        """A flat dict, the same in JSONL and Parquet."""
        errors = [[e.path, e.message, e.keyword, e.schema_path] for e in self.errors]
        return {
            "record_id": self.record_id,
            "schema": self.schema,
            "fingerprint": self.fingerprint,
            "source": self.source,
            "position": json.dumps(self.position),
            "at": self.at.isoformat(),
            "errors": json.dumps(errors, ensure_ascii=False),
            "data": self.data,
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """LLMIntegrationsError when the row is not one of ours."""
        try:
            return cls(
                data=row["data"],
                errors=tuple(Violation(*error) for error in json.loads(row["errors"])),
                schema=row["schema"],
                fingerprint=row["fingerprint"],
                source=row["source"],
                position=json.loads(row["position"]),
                at=datetime.fromisoformat(row["at"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LLMIntegrationsError(
                f"not a quarantined record ({type(error).__name__})"
            ) from None
