"""Which folders of a registry hold which subject: read once, and again when the root has changed.

A folder's time of change tells of every folder that was added, removed or renamed in it, but two
changes within one tick of the file system's clock have the same time. So a list is trusted only
if the folder had been left alone for a moment when it was read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_integrations.core.errors import InvalidReference
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry.local.file.entries import entries, is_settled, split_name
from llm_integrations.core.registry.local.file.names import (
    decode_subject,
    encode_distinctly,
    encode_subject,
    is_abbreviated,
)

__all__ = ["FlatFile", "FolderIndex", "FolderName", "Listing", "flat_subject", "subject_of"]

_SETTINGS: Final = ("registry", "meta")
_TRUSTED: Final = 5.0  # seconds, whatever a remote disk says about its times


@dataclass(frozen=True, slots=True)
class FolderName:
    """One folder of the root. ``subject`` is None where the name does not tell it."""

    name: str
    subject: str | None
    is_link: bool


@dataclass(frozen=True, slots=True)
class FlatFile:
    """A schema that lies in the root itself, ``user.json``: version 1 of its subject."""

    path: str
    name: str = "1.json"

    def is_symlink(self) -> bool:
        return os.path.islink(self.path)  # noqa: PTH114 - as os.DirEntry has it

    def stat(self) -> os.stat_result:
        return os.stat(self.path)  # noqa: PTH116 - as os.DirEntry has it


@dataclass(frozen=True, slots=True)
class Listing:
    """The root's folders at one moment; ``stamp`` None means that it is read again next time."""

    stamp: tuple[int, int, int] | None = None
    read_at: float = 0.0
    by_subject: Mapping[str, Sequence[FolderName]] = field(default_factory=dict)
    abbreviated: Sequence[FolderName] = ()
    names: Mapping[str, FolderName] = field(default_factory=dict)
    flat: Mapping[str, Sequence[FlatFile]] = field(default_factory=dict)

    def of(self, subject: str) -> Sequence[FolderName]:
        """Every folder of a subject: any encoding will do, since people make folders too."""
        found = self.by_subject.get(subject, ())
        if not self.abbreviated:
            return found
        names = (encode_subject(subject), encode_distinctly(subject))
        return [*found, *(one for one in self.abbreviated if one.name in names)]


class FolderIndex:
    """The folders of one root. Usable from any thread: a listing is replaced whole."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._listing = Listing()

    def current(self) -> Listing:
        """FileNotFoundError for a root that is gone, with subjects in it: no list is shorter for
        a disk that is away. One that was never there has none."""
        try:
            status = os.stat(self._root)  # noqa: PTH116 - one call, and no Path to make
        except FileNotFoundError:
            if self._listing.names:
                raise
            return Listing()
        stamp = (status.st_mtime_ns, status.st_ino, status.st_dev)
        known = self._listing
        if known.stamp != stamp or time.monotonic() - known.read_at > _TRUSTED:
            known = self._listing = self._read(stamp)
        return known

    def _read(self, stamp: tuple[int, int, int]) -> Listing:
        settled = is_settled(stamp[0])
        before = self._listing.names
        names: dict[str, FolderName] = {}
        by_subject: dict[str, list[FolderName]] = {}
        flat: dict[str, list[FlatFile]] = {}
        for entry in entries(self._root):
            if not entry.is_dir():
                subject = flat_subject(entry.name)
                if subject is not None:
                    flat.setdefault(subject, []).append(FlatFile(entry.path))
                continue
            is_link = entry.is_symlink()
            one = before.get(entry.name)
            if one is None or one.is_link != is_link:
                one = FolderName(entry.name, subject_of(entry.name), is_link)
            names[entry.name] = one
            if one.subject is not None:
                by_subject.setdefault(one.subject, []).append(one)
        abbreviated = [one for one in names.values() if is_abbreviated(one.name)]
        now = time.monotonic()
        return Listing(stamp if settled else None, now, by_subject, abbreviated, names, flat)


def flat_subject(file: str) -> str | None:
    """The subject that a file of the root means, ``user.json`` or ``user.schema.json``; or None."""
    parts = split_name(file)
    if parts is None or parts[0] in _SETTINGS:
        return None
    stem = parts[0]
    return subject_of(stem[:-7] if stem.lower().endswith(".schema") else stem)


def subject_of(name: str) -> str | None:
    """The subject that a folder's name means; None where it does not tell, or is none."""
    subject = name if name.isascii() and "%" not in name else decode_subject(name)
    try:
        return None if subject is None else SchemaRef(subject).subject
    except InvalidReference:
        return None
