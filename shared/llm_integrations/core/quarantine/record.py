"""One record that was set aside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Final, Self

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.quarantine.encoding import Encodings, read, write
from llm_integrations.core.stamp import STAMP_KEYS, SUBJECT
from llm_integrations.core.validation.report import BEYOND_SCHEMA, NO_RECORD, Violation

if TYPE_CHECKING:
    from llm_integrations.core.validation.report import ValidationReport

__all__ = ["QuarantinedRecord", "encodings_text", "hashed_id", "hashed_ids", "record_id_of"]

_SAME: Final = object()


def record_id_of(source: str, position: int | str | None, data: str) -> str:
    """A record's id (hex): a hash of place and data, so that a retry adds nothing."""
    return hashed_id(json.dumps(source), json.dumps(position), data)


def hashed_id(source: str, position: str, data: str) -> str:
    """``record_id_of``, given source and position as JSON text."""
    return next(hashed_ids(source, [position], [data]))


def hashed_ids(source: str, positions: Iterable[str], data: Iterable[str]) -> Iterator[str]:
    """``hashed_id`` of many records of one source."""
    # The C function itself: ``json.dumps`` spends more time on finding out that it is a text.
    text, head = encode_basestring_ascii, f"[{source}, "
    for position, value in zip(positions, data, strict=True):
        yield sha256(f"{head}{position}, {text(value)}]".encode("ascii")).hexdigest()[:32]


def _now() -> datetime:
    return datetime.now(UTC)


def encodings_text(data: Encodings, whole: Encodings) -> str:
    """The ``encodings`` column of a row as JSON text; empty where there are none."""
    return json.dumps({"data": data, "whole": whole}) if data or whole else ""


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record with the reason why it is here. Holds the data itself: keep it where it is safe.

    Attributes:
        data: what was judged, as JSON text.
        errors: what is wrong with it.
        schema: the exact reference it was judged by.
        fingerprint: SHA-256 of that schema.
        source: where it came from, as a file, a data set or a pipeline.
        position: which record of the source, if that is known.
        at: when it was set aside, in UTC.
        whole: all that came, as JSON text, where only a part of it was judged.
        encodings: by JSON Pointer into ``data``, what JSON cannot say, as ``{"contentEncoding":
            "base64"}``; ``whole_encodings`` likewise.
        nulls: how null was taken, "strict" or "absent"; empty if that is not known.
    """

    data: str
    errors: tuple[Violation, ...]
    schema: str
    fingerprint: str = ""
    source: str = ""
    position: int | str | None = None
    at: datetime = field(default_factory=_now)
    whole: str | None = None
    encodings: Encodings = field(default_factory=dict, hash=False)
    whole_encodings: Encodings = field(default_factory=dict, hash=False)
    nulls: str = ""

    @classmethod
    def of(
        cls,
        data: Any,
        report: ValidationReport,
        *,
        whole: Any = _SAME,
        source: str = "",
        position: int | str | None = None,
    ) -> Self:
        """A record of what was judged, with the errors of the report.

        Args:
            data: any Python value.
            whole: all that came and is to be given back, if ``data`` is only a part of it.
        """
        text, encodings = write(data)
        whole_text, whole_encodings = (None, {}) if whole is _SAME else write(whole)
        return cls(
            text,
            report.errors,
            report.schema,
            report.fingerprint,
            source,
            position,
            whole=whole_text,
            encodings=encodings,
            whole_encodings=whole_encodings,
            nulls=report.nulls,
        )

    @property
    def record_id(self) -> str:
        """A hash of source, position and data. Parts with many records of a table leave it out,
        since it follows from the other columns."""
        return record_id_of(self.source, self.position, self.text)

    @property
    def text(self) -> str:
        """The whole value that came in, as JSON text."""
        return self.data if self.whole is None else self.whole

    @property
    def value(self) -> Any:
        """The whole value that came in: bytes and images as they were, dates as text."""
        return self.judged if self.whole is None else read(self.whole, self.whole_encodings)

    @property
    def judged(self) -> Any:
        """The judged part; a schema gives the same verdict on it as on the original."""
        return read(self.data, self.encodings)

    @property
    def is_readable(self) -> bool:
        """False for a line of the source that could not be read as JSON."""
        return NO_RECORD.isdisjoint(error.keyword for error in self.errors)

    @property
    def is_up_to_the_schema(self) -> bool:
        """Whether a schema alone condemned it: only then can another schema release it."""
        return self.is_readable and all(e.schema_path != BEYOND_SCHEMA for e in self.errors)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Each reason once, without data, for counting: keyword and place."""
        return tuple(dict.fromkeys(error.reason for error in self.errors)) or ("unknown",)

    @property
    def reason(self) -> str:
        """The first of the reasons."""
        return self.reasons[0]

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
            "whole": self.whole,
            "encodings": encodings_text(self.encodings, self.whole_encodings),
            "nulls": self.nulls,
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """LLMIntegrationsError when the row is not one of ours."""
        try:
            if "encodings" not in row:
                row = {**row, **_of_before(row["data"])}
            encodings = json.loads(row["encodings"] or "{}")
            return cls(
                data=row["data"],
                errors=tuple(Violation(*error) for error in json.loads(row["errors"])),
                schema=row["schema"],
                fingerprint=row["fingerprint"],
                source=row["source"],
                position=json.loads(row["position"]),
                at=datetime.fromisoformat(row["at"]),
                whole=row["whole"],
                encodings=encodings.get("data", {}),
                whole_encodings=encodings.get("whole", {}),
                nulls=row["nulls"],
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise LLMIntegrationsError(
                f"not a quarantined record ({type(error).__name__})"
            ) from None


def _of_before(data: str) -> dict[str, Any]:
    """Values for the columns that version 0.1 did not write.

    Documents stood there in a wrapper, and what had been judged of them was their metadata without
    the stamp.
    """
    row = {"whole": None, "encodings": "", "nulls": ""}
    if not data.startswith('{"document": {"__data__": '):
        return row
    value = json.loads(data)
    metadata = value["document"]["__data__"]["metadata"]
    stamp = STAMP_KEYS if SUBJECT in metadata else ()
    judged = {key: found for key, found in metadata.items() if key not in stamp}
    return {**row, "whole": data, "data": json.dumps(judged, ensure_ascii=False)}
