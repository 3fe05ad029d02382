"""A folder of parts, each written whole or not at all."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.files import atomic_write
from llm_integrations.core.quarantine.formats import (
    Format,
    check_format,
    read_part,
    write_part,
)
from llm_integrations.core.quarantine.record import QuarantinedRecord
from llm_integrations.core.validation import Validator

__all__ = ["Quarantine", "ReleaseResult"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_SUFFIXES = (".jsonl", ".parquet")

Sink = Callable[[Sequence[QuarantinedRecord]], None]


def _whole(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """How many records became valid and left, and how many stayed."""

    released: int
    kept: int


class Quarantine:
    """What was set aside, in a folder (mode 0700) of parts (mode 0600), for they hold data.

    A part is written in one step under a name that follows from its content, so that work done
    again after a crash writes the same part again and no record twice.

    Args:
        folder: made when the first part is written.
        form: how new parts are written, "jsonl" or "parquet"; both are read.
    """

    def __init__(self, folder: str | Path, form: str = "jsonl") -> None:
        self.folder = Path(folder)
        self.form: Format = check_format(form)

    def add(self, records: Iterable[QuarantinedRecord], *, part: str | None = None) -> Path | None:
        """Write records as one part; return its path, or None if there were none.

        Args:
            part: a name that the same work has again when it is repeated, as
                ``train-000003``; None names the part after its records.
        """
        kept = list({record.record_id: record for record in records}.values())
        if not kept:
            return None
        path = self._path(part if part is not None else _name_of(kept))
        self._write(path, (record.to_row() for record in kept))
        return path

    def add_rows(self, rows: Sequence[dict[str, Any]], *, part: str) -> Path | None:
        """``add`` for many rows at once, as ``rows_of`` makes them from a table's verdict."""
        if not rows:
            return None
        path = self._path(part)
        self._write(path, rows)
        return path

    def parts(self) -> list[Path]:
        """The parts, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if _is_part(p))

    def read(self, part: Path) -> Iterator[QuarantinedRecord]:
        """The records of one part. LLMIntegrationsError names a damaged one."""
        return read_part(part)

    def records(self) -> Iterator[QuarantinedRecord]:
        """Every record once, part by part; nothing is held in memory but the ids."""
        seen: set[str] = set()
        for path in self.parts():
            for record in read_part(path):
                if record.record_id not in seen:
                    seen.add(record.record_id)
                    yield record

    def count(self) -> int:
        return sum(1 for _ in self.records())

    def __len__(self) -> int:
        return self.count()

    def reasons(self) -> Counter[str]:
        """How many records for each reason."""
        return Counter(record.reason for record in self.records())

    def release(
        self,
        validator: Validator,
        into: Sink,
        *,
        subject: str | None = None,
        judged: Callable[[Any], Any] = _whole,
    ) -> ReleaseResult:
        """Judge again, hand what became valid to ``into``, and remove it from here.

        What could not be read as a record stays: no schema makes one of it.

        ``into`` runs before the removal: after a crash between the two it gets the same records
        again, with the same ``record_id``.

        Args:
            subject: only records that were judged by a schema of this subject; None takes the
                validator's.
            judged: from a record's value to what is judged, for records that hold more than that.
        """
        wanted = subject if subject is not None else validator.subject
        released = kept = 0
        for path in self.parts():
            free, held = _judge_again(path, validator, wanted, judged)
            if free:
                into(free)
                self._rewrite(path, held)
            released += len(free)
            kept += len(held)
        return ReleaseResult(released, kept)

    def _rewrite(self, path: Path, records: list[QuarantinedRecord]) -> None:
        if records:
            self._write(path, (record.to_row() for record in records))
        else:
            path.unlink()

    def _write(self, path: Path, rows: Iterable[dict[str, Any]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        form: Format = "parquet" if path.suffix == ".parquet" else "jsonl"
        with atomic_write(path, mode=0o600) as stream:
            write_part(stream, rows, form)

    def _path(self, part: str) -> Path:
        if not _NAME.fullmatch(part):
            raise ConfigurationError(
                f"{part!r} cannot name a part: letters, digits, '.', '_' and '-' (150 at most)"
            )
        return self.folder / f"{part}.{self.form}"


def _is_part(path: Path) -> bool:
    return path.suffix in _SUFFIXES and not path.name.startswith(".") and path.is_file()


def _name_of(records: Sequence[QuarantinedRecord]) -> str:
    digest = hashlib.sha256("".join(record.record_id for record in records).encode())
    return f"part-{digest.hexdigest()[:24]}"


def _judge_again(
    path: Path, validator: Validator, subject: str | None, judged: Callable[[Any], Any]
) -> tuple[list[QuarantinedRecord], list[QuarantinedRecord]]:
    free: list[QuarantinedRecord] = []
    held: list[QuarantinedRecord] = []
    for record in read_part(path):
        mine = subject is None or record.schema.rpartition("@")[0] == subject
        judged_again = mine and record.is_readable
        (free if judged_again and validator.is_valid(judged(record.value)) else held).append(record)
    return free, held
