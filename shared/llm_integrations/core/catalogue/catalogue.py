"""The catalogue: a small SQLite file that several processes may share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from llm_integrations.core.catalogue.usage import Usage, UsageKind
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.sqlite import SharedDatabase

__all__ = ["Catalogue"]

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS usage (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    subject TEXT NOT NULL,
    version TEXT NOT NULL,
    owner TEXT,
    metadata TEXT NOT NULL,
    PRIMARY KEY (kind, name, role, subject)
)
"""
_COLUMNS: Final = "kind, name, role, subject, version, owner, metadata"


class Catalogue:
    """The uses of schemas, in an SQLite file. Thread-safe.

    Args:
        path: the SQLite file; ``:memory:`` keeps it in this process.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self.path = str(path)
        self._database = SharedDatabase(self.path, _TABLE, ConfigurationError)
        with self._database.reading():  # a file that cannot be used is told at once
            pass

    def add(self, *usages: Usage) -> None:
        """Add uses; one that is there already (same kind, name, role, subject) is replaced."""
        statement = f"INSERT OR REPLACE INTO usage ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - fixed names
        with self._database.transaction() as db:
            db.executemany(statement, [_row(usage) for usage in usages])

    def remove(self, kind: UsageKind, name: str) -> int:
        """Remove everything that this thing uses; returns how many uses there were."""
        with self._database.transaction() as db:
            return db.execute(
                "DELETE FROM usage WHERE kind = ? AND name = ?", (kind, name)
            ).rowcount

    def using(self, subject: str, kind: UsageKind | None = None) -> list[Usage]:
        """The uses of a subject, of one kind or of all, by name."""
        return self._select("subject = ? AND (? IS NULL OR kind = ?)", (subject, kind, kind))

    def all(self, kind: UsageKind | None = None) -> list[Usage]:
        """Every use of one kind, or of all, by name."""
        return self._select("(? IS NULL OR kind = ?)", (kind, kind))

    def close(self) -> None:
        self._database.close()

    def _select(self, condition: str, values: Iterable[str | None]) -> list[Usage]:
        query = f"SELECT {_COLUMNS} FROM usage WHERE {condition} ORDER BY kind, name, role"  # noqa: S608 - fixed conditions
        with self._database.reading() as db:
            return [_usage(row) for row in db.execute(query, tuple(values))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Catalogue], tuple[str]]:
        return Catalogue, (self.path,)


def _row(usage: Usage) -> tuple[str | None, ...]:
    return (
        usage.kind,
        usage.name,
        usage.role,
        usage.schema.subject,
        str(usage.schema.version),
        usage.owner,
        json.dumps(dict(usage.metadata)),
    )


def _usage(row: tuple[str, ...]) -> Usage:
    kind, name, role, subject, version, owner, metadata = row
    ref = SchemaRef.parse(f"{subject}@{version}")
    return Usage(kind, name, ref, role, owner, json.loads(metadata))
