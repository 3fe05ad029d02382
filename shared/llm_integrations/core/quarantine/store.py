"""A folder of parts, each written whole or not at all."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, overload

from llm_integrations.core.errors import (
    ConfigurationError,
    LLMIntegrationsError,
    QuarantineError,
    ValidationLimitExceeded,
)
from llm_integrations.core.files import atomic_write, locked, reason_of
from llm_integrations.core.observability import get_logger
from llm_integrations.core.quarantine.columns import RecordColumns
from llm_integrations.core.quarantine.formats import (
    Format,
    check_format,
    read_part,
    write_part,
)
from llm_integrations.core.quarantine.record import QuarantinedRecord
from llm_integrations.core.quarantine.remote import is_elsewhere
from llm_integrations.core.validation import Validator

__all__ = ["Quarantine", "ReleaseResult", "takes"]

log = get_logger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_NAMED_BY_CONTENT = re.compile(r"part-[0-9a-f]{24}")
_SUFFIXES = (".jsonl", ".parquet")

Sink: TypeAlias = Callable[[Sequence[QuarantinedRecord]], None]
Judges: TypeAlias = Validator | Callable[[QuarantinedRecord], Validator]


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """How many records became valid and left, and how many stayed."""

    released: int
    kept: int


class Quarantine:
    """Invalid records in a folder (mode 0700) of parts (mode 0600), since they hold data.

    A part is written in one step under a name that follows from its content, so that work done
    again after a crash writes the same part again and no record twice. Processes may share it.

    Args:
        folder: made when the first part is written.
        form: how new parts are written, "jsonl" or "parquet"; both are read.
    """

    def __init__(self, folder: str | Path, form: str = "jsonl") -> None:
        if not isinstance(folder, str | Path) or folder == "":
            raise ConfigurationError(f"a quarantine is a folder, not {type(folder).__name__}")
        if is_elsewhere(folder):
            raise ConfigurationError(
                f"a quarantine is a folder of this machine, not {folder}: only what Ray and Spark "
                "judged can be set aside elsewhere, by a URL as text"
            )
        self.folder = Path(folder)
        self.form: Format = check_format(form)

    @overload
    @classmethod
    def of(cls, value: None, form: str = ...) -> None: ...
    @overload
    @classmethod
    def of(cls, value: str | Path | Quarantine, form: str = ...) -> Quarantine: ...
    @overload
    @classmethod
    def of(cls, value: str | Path | Quarantine | None, form: str = ...) -> Quarantine | None: ...
    @classmethod
    def of(cls, value: str | Path | Quarantine | None, form: str = "jsonl") -> Quarantine | None:
        """The quarantine for an argument: a Quarantine itself, its folder, or None for none.

        Raises:
            ConfigurationError: it is something else.
        """
        return value if value is None or isinstance(value, Quarantine) else cls(value, form)

    def add(self, records: Iterable[QuarantinedRecord], *, part: str | None = None) -> Path | None:
        """Write records as one part; return its path, or None if there were none.

        Args:
            part: a name that the same work has again when it is repeated, as
                ``train-000003``; None names the part after its records.
        """
        kept = list({record.record_id: record for record in records}.values())
        rows = [record.to_row() for record in kept]
        return self.add_rows(rows, part=part if part is not None else _name_of(kept))

    def add_rows(self, rows: Sequence[dict[str, Any]], *, part: str) -> Path | None:
        """``add`` for many rows at once, as ``rows_of`` makes them from a table's verdict."""
        return self._add(rows, part) if rows else None

    def add_columns(self, records: RecordColumns, *, part: str) -> Path | None:
        """``add`` for millions of records, which need no object each."""
        return self._add(records, part) if len(records) else None

    def _add(self, rows: Iterable[dict[str, Any]] | RecordColumns, part: str) -> Path:
        path = self._path(part)
        with _write_errors(self.folder), locked(self.folder, exclusive=False):
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
        """How many records for each reason; a record counts once for each that it has."""
        return Counter(reason for record in self.records() for reason in record.reasons)

    def release(
        self, validator: Judges, into: Sink, *, subject: str | None = None
    ) -> ReleaseResult:
        """Judge again, hand what became valid to ``into``, and remove it from here.

        What could not be read as a record stays, and so does what a rule beyond the schema
        condemned: no schema decides about it. So does a part that
        changed meanwhile, by ``into`` or by another process. A damaged part stops no other: its
        error is raised at the end.

        ``into`` runs before the removal: after a crash between the two, and where a part changed,
        it gets the same records again, with the same ``record_id``.

        Args:
            validator: judges what was judged before; or a function that chooses one for a record.
            subject: only records that were judged by a schema of this subject; None takes the
                validator's.
        """
        released: set[str] = set()
        kept = 0
        damaged: LLMIntegrationsError | None = None
        for path in self.parts():
            seen = _state(path)
            try:
                free, held = _judge_again(read_part(path), validator, subject)
            except LLMIntegrationsError as error:
                damaged = damaged or error
                continue
            new = [record for record in free if record.record_id not in released]
            if new:
                into(new)
            if free:
                self._replace(path, seen, held)
            released.update(record.record_id for record in new)
            kept += len(held)
        if damaged is not None:
            raise damaged
        return ReleaseResult(len(released), kept)

    def forget(self, ids: Iterable[int | str]) -> int:
        """Erase records for good, as their owner asks for it; return how many there were.

        A damaged part stops no other: its error is raised at the end.

        Args:
            ids: ``record_id`` or ``position`` of each.
        """
        unwanted = frozenset(ids)
        forgotten: set[str] = set()
        damaged: LLMIntegrationsError | None = None
        for path in self.parts():
            try:
                forgotten |= self._forget_in(path, unwanted)
            except LLMIntegrationsError as error:
                damaged = damaged or error
        if damaged is not None:
            raise damaged
        return len(forgotten)

    def _forget_in(self, path: Path, unwanted: frozenset[int | str]) -> set[str]:
        with _write_errors(self.folder), locked(self.folder, exclusive=True):
            records = list(read_part(path))
            held = [r for r in records if unwanted.isdisjoint((r.record_id, r.position))]
            if len(held) < len(records):
                # An empty part stays: it tells the work that named it not to run again.
                self._rewrite(path, held, empty=not _NAMED_BY_CONTENT.fullmatch(path.stem))
        return {r.record_id for r in records} - {r.record_id for r in held}

    def _replace(
        self, path: Path, seen: tuple[int, ...] | None, records: list[QuarantinedRecord]
    ) -> None:
        """Write the records that stay in a part, unless the part changed meanwhile."""
        with _write_errors(self.folder), locked(self.folder, exclusive=True):
            if _state(path) == seen:
                self._rewrite(path, records)
            else:
                log.info("%s changed while its records were released, and stays", path)

    def _rewrite(
        self, path: Path, records: list[QuarantinedRecord], *, empty: bool = False
    ) -> None:
        if records or empty:
            self._write(path, (record.to_row() for record in records))
        else:
            path.unlink(missing_ok=True)

    def _write(self, path: Path, rows: Iterable[dict[str, Any]] | RecordColumns) -> None:
        form: Format = "parquet" if path.suffix == ".parquet" else "jsonl"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_write(path, mode=0o600) as stream:
            write_part(stream, rows, form)

    def _path(self, part: str) -> Path:
        if not _NAME.fullmatch(part):
            raise ConfigurationError(
                f"{part!r} cannot name a part: letters, digits, '.', '_' and '-' (150 at most)"
            )
        return self.folder / f"{part}.{self.form}"


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    """Within it, what the file system refuses is our error, which names the folder."""
    try:
        yield
    except LLMIntegrationsError:
        raise
    except OSError as cause:
        raise QuarantineError(
            f"the quarantine {folder} cannot be written: "
            f"{reason_of(cause)} ({cause.filename or folder}); "
            "give it room and rights, or name another folder"
        ) from cause


def _is_part(path: Path) -> bool:
    return path.suffix in _SUFFIXES and not path.name.startswith(".") and path.is_file()


def _state(path: Path) -> tuple[int, ...] | None:
    """The file's identity, which changes with every write; None if it is missing."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size


def _name_of(records: Sequence[QuarantinedRecord]) -> str:
    digest = hashlib.sha256("".join(record.record_id for record in records).encode())
    return f"part-{digest.hexdigest()[:24]}"


def _judge_again(
    records: Iterable[QuarantinedRecord], validator: Judges, subject: str | None
) -> tuple[list[QuarantinedRecord], list[QuarantinedRecord]]:
    free: list[QuarantinedRecord] = []
    held: list[QuarantinedRecord] = []
    for record in records:
        judge = validator if isinstance(validator, Validator) else validator(record)
        wanted = judge.subject if subject is None else subject
        mine = wanted is None or record.schema.rpartition("@")[0] == wanted
        (free if mine and takes(judge, record) else held).append(record)
    return free, held


def takes(validator: Validator, record: QuarantinedRecord) -> bool:
    """Whether a schema releases a record; False, not an error, where that cannot be decided."""
    try:
        return record.is_up_to_the_schema and validator.is_valid(record.judged)
    except (ValidationLimitExceeded, LLMIntegrationsError) as error:
        log.warning("record %s was not judged again: %s", record.record_id, error)
        return False
