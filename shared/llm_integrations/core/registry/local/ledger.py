"""The versions of a subject and their rules (numbers, states, latest), without any storage.

The file and the memory registry keep their data differently and share these rules, so that both
mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidReference,
    SchemaConflict,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import LATEST, SchemaRef, Version, version_key
from llm_integrations.core.model.schema import ACTIVE, DELETED, DEPRECATED, DRAFT, SchemaReference
from llm_integrations.core.model.uuid5 import uuid5
from llm_integrations.core.registry.listing.near import UnknownSubject, shortened

__all__ = [
    "COMPATIBILITY_LEVELS",
    "DEFAULT_COMPATIBILITY",
    "STATES",
    "Entry",
    "Ledger",
    "check_level",
    "check_state",
    "schema_id",
]

DEFAULT_COMPATIBILITY: Final = "BACKWARD"
COMPATIBILITY_LEVELS: Final = (
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
STATES: Final = (DRAFT, ACTIVE, DEPRECATED, DELETED)

_IDS: Final = bytes.fromhex("6f2c1c0e52a55f0e9c693f1f2a3b7d11")
_LONGEST_VERSION: Final = 120  # characters: a version is a file's name


def schema_id(subject: str, version: Version) -> str:
    """The id of a version on the file and the memory registry: the same on every machine."""
    return uuid5(_IDS, f"{subject}@{version}")


def check_level(level: str) -> str:
    """The level in capitals, or ConfigurationError naming those that exist."""
    wanted = str(level).upper()
    if wanted not in COMPATIBILITY_LEVELS:
        raise ConfigurationError(
            f"{level!r} is no compatibility level: {', '.join(COMPATIBILITY_LEVELS)}"
        )
    return wanted


def check_state(state: str) -> str:
    """The state in capitals, or ConfigurationError naming those a schema can be registered in."""
    wanted = str(state).upper()
    if wanted not in STATES or wanted == DELETED:
        raise ConfigurationError(
            f"a schema is registered as DRAFT, ACTIVE or DEPRECATED: {state!r}"
        )
    return wanted


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a subject, without its body."""

    version: Version
    state: str = ACTIVE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[SchemaReference, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.state != DELETED

    @property
    def is_released(self) -> bool:
        """Whether ``latest`` may mean it."""
        return self.state not in (DELETED, DRAFT) and version_key(self.version)[3] == 1


@dataclass(frozen=True, slots=True)
class Ledger:
    """The versions of one subject, ascending and with the deleted ones, and its own level."""

    subject: str
    entries: tuple[Entry, ...] = ()
    compatibility: str | None = None

    @classmethod
    def of(cls, subject: str, entries: Iterable[Entry], compatibility: str | None) -> Ledger:
        return cls(subject, tuple(sorted(entries, key=_order)), compatibility)

    @property
    def live(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.is_live)

    @property
    def is_semantic(self) -> bool:
        return any(isinstance(entry.version, str) for entry in self.entries)

    def versions(self, *, deleted: bool = False) -> list[Version]:
        """Raises SchemaNotFound when there is none to show."""
        shown = self.entries if deleted else self.live
        if not shown and self.entries:
            raise SchemaNotFound(f"every version of {self.subject!r} was deleted")
        if not shown:
            raise UnknownSubject(f"subject {self.subject!r} is not in this registry")
        return [entry.version for entry in shown]

    def find(self, ref: SchemaRef) -> Entry:
        """The live version that an exact reference or ``latest`` means, else SchemaNotFound."""
        if ref.is_latest:
            return self._latest()
        entry = self._holding(ref.version)
        if entry is None or not entry.is_live:
            self.versions()
            deleted = "; it was deleted" if entry is not None else ""
            there = shortened(str(e.version) for e in self.live)
            raise SchemaNotFound(
                f"{self.subject!r} has no version {ref.version}{deleted}; it has {there}"
            )
        return entry

    def exact(self, ref: SchemaRef, *, deleted: bool = False) -> Entry:
        """As ``find``, but what is about to change must be named exactly.

        ``deleted``: whether a version that was deleted softly is found too.
        """
        if ref.is_latest:
            raise InvalidReference(
                f"name the exact version of {self.subject!r}: {LATEST!r} may mean another one soon"
            )
        entry = self._holding(ref.version) if deleted else None
        return entry or self.find(ref)

    def _latest(self) -> Entry:
        for entry in reversed(self.entries):
            if entry.is_released:
                return entry
        self.versions()
        raise SchemaNotFound(
            f"{self.subject!r} has drafts and pre-releases only: name an exact version"
        )

    def _holding(self, version: Version) -> Entry | None:
        """``N`` and ``N.0.0`` are the same version; build metadata makes another one."""
        for entry in self.entries:
            if entry.version == version:
                return entry
        for entry in self.entries:
            if type(entry.version) is not type(version) and _same(entry.version, version):
                return entry
        return None

    def number(self, wanted: Version | None) -> Version:
        """The version that a new schema gets.

        Raises:
            ConfigurationError: none is given and the subject uses semantic versions.
            SchemaConflict: it exists, or the subject counts in integers and this is none.
        """
        if wanted is None:
            return self._next()
        version = self._in_own_style(wanted)
        clash = next((e for e in self.entries if _clash(e.version, version)), None)
        if clash is not None:
            how = "is deleted" if not clash.is_live else "exists with other content"
            raise SchemaConflict(f"version {clash.version} of {self.subject!r} {how}")
        return version

    def _next(self) -> int:
        if self.is_semantic:
            raise ConfigurationError(
                f"{self.subject!r} uses semantic versions: say which one this is (version=…)"
            )
        return max((int(entry.version) for entry in self.entries), default=0) + 1

    def _in_own_style(self, version: Version) -> Version:
        if version == LATEST or len(str(version)) > _LONGEST_VERSION:
            raise InvalidReference(f"{str(version)[:20]!r} cannot be the version of a new schema")
        if not self.entries or isinstance(version, str) == self.is_semantic:
            return version
        if isinstance(version, int):
            return f"{version}.0.0"
        if _same(version, version_key(version)[0]) and "+" not in version:
            return version_key(version)[0]
        raise SchemaConflict(
            f"{self.subject!r} counts its versions in integers: {version!r} is none"
        )

    def below(self, version: Version) -> tuple[Entry, ...]:
        """The released versions that come before one, oldest first: what it must go with."""
        key = version_key(version)
        return tuple(e for e in self.entries if e.is_released and version_key(e.version) < key)

    def having(self, is_equal: Callable[[Entry], bool]) -> Entry | None:
        """The newest live version for which ``is_equal`` holds."""
        return next((entry for entry in reversed(self.live) if is_equal(entry)), None)

    def with_entry(self, entry: Entry) -> Ledger:
        """With one version added, or replaced."""
        others = (e for e in self.entries if e.version != entry.version)
        return self.of(self.subject, (*others, entry), self.compatibility)

    def with_state(self, entry: Entry, state: str) -> Ledger:
        return self.with_entry(replace(entry, state=state))

    def without(self, *versions: Version) -> Ledger:
        kept = tuple(entry for entry in self.entries if entry.version not in versions)
        return replace(self, entries=kept)


def _order(entry: Entry) -> tuple[object, ...]:
    return version_key(entry.version), str(entry.version)


def _same(one: Version, other: Version) -> bool:
    return version_key(one) == version_key(other)


def _clash(one: Version, other: Version) -> bool:
    """Whether two versions cannot stand side by side: no order, or one file name on some disks."""
    return _same(one, other) or str(one).casefold() == str(other).casefold()
