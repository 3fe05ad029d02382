"""Which folders of a registry hold which subject: read once, and again when the root has changed.

A folder's time of change tells of every folder that was added, removed or renamed in it, but two
changes within one tick of the file system's clock have the same time. So a list is trusted only
if the folder had been left alone for a moment when it was read. While it is not, one subject is
looked for by its names: a thousand registrations must not list the folder thousands of times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from llm_integrations.core.errors import InvalidReference
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry.local.file.documents import SUFFIXES
from llm_integrations.core.registry.local.file.entries import entries, is_settled, name_of
from llm_integrations.core.registry.local.file.names import (
    decode_subject,
    encode_distinctly,
    encode_subject,
    is_abbreviated,
)

__all__ = ["FlatFile", "FolderIndex", "FolderName", "Listing", "flat_subject", "subject_of"]

_SETTINGS: Final = ("registry", "meta")
_FLAT: Final = tuple(f"{kind}{suffix}" for kind in ("", ".schema") for suffix in SUFFIXES)
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


@dataclass(frozen=True)
class Listing:
    """The root's folders at one moment.

    Attributes:
        stamp: when the root was changed before that, and which folder it is.
        is_settled: whether any later change shows another time.
    """

    stamp: tuple[int, int, int] = (0, 0, 0)
    is_settled: bool = False
    read_at: float = float("-inf")
    by_subject: Mapping[str, Sequence[FolderName]] = field(default_factory=dict)
    abbreviated: Mapping[str, FolderName] = field(default_factory=dict)
    names: Mapping[str, FolderName] = field(default_factory=dict)
    flat: Mapping[str, Sequence[FlatFile]] = field(default_factory=dict)

    @property
    def is_recent(self) -> bool:
        return time.monotonic() - self.read_at <= _TRUSTED

    @cached_property
    def by_folded(self) -> dict[str, str]:
        """Names without their case, to which those that are made since are added."""
        return {name.casefold(): name for name in self.names}

    def of(self, subject: str) -> Place:
        """What a subject has: any encoding will do, since people make folders too."""
        found, flat = self.by_subject.get(subject, ()), self.flat.get(subject, ())
        if self.abbreviated:
            names = {encode_subject(subject), encode_distinctly(subject)}
            told = [self.abbreviated[name] for name in names if name in self.abbreviated]
            found = [*found, *told]
        return Place(found, flat)


class Place(NamedTuple):
    """The folders of a subject, of which there should be one, and its files in the root."""

    folders: Sequence[FolderName] = ()
    flat: Sequence[FlatFile] = ()


class FolderIndex:
    """The folders of one root. Usable from any thread: a listing is replaced whole."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._listing = Listing()
        self._holds_some = False

    def current(self) -> Listing:
        """FileNotFoundError for a root that is gone, with subjects in it: no list is shorter for
        a disk that is away. One that was never there has none."""
        stamp = self._stamp()
        return Listing() if stamp is None else self._at(stamp)

    def place_of(self, subject: str) -> Place:
        """Where a subject lies. FileNotFoundError as ``current``."""
        stamp = self._stamp()
        if stamp is None:
            return Place()
        known = self._listing
        is_same_root = stamp[1:] == known.stamp[1:]
        if known.is_recent and is_same_root and not is_settled(stamp[0]):
            found = self._look_for(subject, known.of(subject))
            if found is not None:
                return found
        return self._at(stamp).of(subject)

    def takes(self, name: str) -> bool:
        """Whether a new folder may have this name, which it has then: none that is there differs
        in case alone.

        A folder that another process made just now counts where it is that one indeed.
        """
        names = (self._listing if self._listing.is_recent else self.current()).by_folded
        folded = name.casefold()
        alike = {name, names.get(folded, name)}
        if any(os.path.lexists(f"{self._root}{os.sep}{one}") for one in alike):
            return False
        names[folded] = name
        self._holds_some = True
        return True

    def _look_for(self, subject: str, before: Place) -> Place | None:
        """What the disk has by the usual names, or by those that the subject had before.

        None where case makes no difference, so that this may be what another subject has.
        """
        usual = (encode_subject(subject), encode_distinctly(subject), subject)
        names = {
            name: f"{self._root}{os.sep}{name}"
            for name in (*usual, *(folder.name for folder in before.folders))
            if not ({"/", os.sep} & set(name) or name.startswith("."))
            and (is_abbreviated(name) or subject_of(name) == subject)
        }
        flat = (f"{name}{end}" for name in names for end in _FLAT)
        own = (f"{self._root}{os.sep}{file}" for file in flat if flat_subject(file) == subject)
        folders = {
            path: FolderName(name, subject, os.path.islink(path))  # noqa: PTH114 - text
            for name, path in names.items()
            if os.path.isdir(path)  # noqa: PTH112 - text
        }
        files = {
            path: FlatFile(path)
            for path in (*own, *(file.path for file in before.flat))
            if os.path.isfile(path)  # noqa: PTH113 - text
        }
        self._holds_some = self._holds_some or bool(folders)
        if any(map(_is_there_in_other_letters, (*folders, *files))):
            return None
        return Place([*folders.values()], [*files.values()])

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._root)  # noqa: PTH116 - one call, and no Path to make
        except FileNotFoundError:
            if self._holds_some:
                raise
            return None
        return status.st_mtime_ns, status.st_ino, status.st_dev

    def _at(self, stamp: tuple[int, int, int]) -> Listing:
        known = self._listing
        if known.stamp != stamp or not (known.is_settled and known.is_recent):
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
        self._holds_some = bool(names)
        abbreviated = {
            name: one for name, one in names.items() if one.subject is None and is_abbreviated(name)
        }
        now = time.monotonic()
        return Listing(stamp, settled, now, by_subject, abbreviated, names, flat)


def _is_there_in_other_letters(path: str) -> bool:
    """As on most disks of macOS and Windows."""
    folder, name = os.path.split(path)
    other = f"{folder}{os.sep}{name.swapcase()}"
    try:
        return other != path and os.path.samefile(path, other)  # noqa: PTH121 - text
    except OSError:
        return False


def flat_subject(file: str) -> str | None:
    """The subject that a file of the root means, ``user.json`` or ``user.schema.json``; or None."""
    named = name_of(file)
    return None if named is None or named.stem in _SETTINGS else subject_of(named.bare)


def subject_of(name: str) -> str | None:
    """The subject that a folder's name means; None where it does not tell, or is none."""
    subject = name if name.isascii() and "%" not in name else decode_subject(name)
    try:
        return None if subject is None else SchemaRef(subject).subject
    except InvalidReference:
        return None
