"""The documents of one subject, wherever they lie: which are versions, what is said about them."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, Generic, Protocol, TypeVar

from llm_integrations.core.errors import InvalidSchema, RegistryProtocolError, SchemaNotFound
from llm_integrations.core.model.reference import Version, version_key
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.local.file.entries import (
    registry_errors,
    split_name,
    version_of,
)
from llm_integrations.core.registry.local.file.sidecar import Sidecar
from llm_integrations.core.registry.local.ledger import Ledger

__all__ = ["SIDECAR", "Document", "SubjectDocuments", "one_of"]

SIDECAR: Final = "meta"

_log = get_logger(__name__)
_MEANT: Final = re.compile(r"(.*[._-])?v?\d+(\.\d+)*|schema|latest|current|index", re.IGNORECASE)


class Document(Protocol):
    """A file: its name, and where it is."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...


D = TypeVar("D", bound=Document)


class SubjectDocuments(Generic[D]):
    """What a subject's folder held when this was made; files are read when they are asked for.

    In this order, since what is said about a version is written before its file appears.

    Args:
        subject: whose folder it is.
        path: the folder, which need not be there.
        found: the files in it.
    """

    def __init__(self, subject: str, path: str, found: Iterable[D]) -> None:
        self.subject = subject
        self.path = path
        named = ((split_name(entry.name), entry) for entry in found)
        self._documents = [(parts[0], entry) for parts, entry in named if parts is not None]

    @abstractmethod
    def _read(self, document: D) -> Any:
        """The JSON value of a file. FileNotFoundError when it is gone."""

    @property
    def is_empty(self) -> bool:
        return not any(version_of(stem) for stem, _ in self._documents)

    @cached_property
    def files(self) -> Mapping[Version, D]:
        """Raises RegistryProtocolError where two files are the same version."""
        files: dict[Version, D] = {}
        seen: dict[object, D] = {}
        for stem, entry in self._documents:
            version = version_of(stem)
            if version is None:
                continue
            key = (version_key(version), str(version).partition("+")[2])
            if key in seen:
                raise _same_version(seen[key].path, entry.path)
            files[version] = seen[key] = entry
        return files

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    @cached_property
    def _ledger(self) -> Ledger:
        with registry_errors(self.path):
            files, sidecar = self.files, self.sidecar
            if not files:
                self._warn_about_other_names()
            held = (sidecar.entry(version) for version in files)
            return Ledger.of(self.subject, held, sidecar.compatibility)

    @cached_property
    def sidecar(self) -> Sidecar:
        return one_of(self.path, SIDECAR, self._named(SIDECAR), self._read)

    def numbers(self) -> list[Version]:
        return list(self.files)

    def body(self, version: Version) -> JsonSchema:
        with registry_errors(self.path):
            entry = self.files.get(version)
            if entry is None:
                raise SchemaNotFound(f"{self.subject!r} has no version {version}")
            try:
                body = self._read(entry)
            except FileNotFoundError:
                raise SchemaNotFound(
                    f"{self.subject!r} has no version {version} any more"
                ) from None
            if not isinstance(body, dict | bool):
                raise InvalidSchema(
                    f"{entry.path} is no JSON Schema: neither an object nor a boolean"
                )
            return body

    def _named(self, wanted: str) -> list[D]:
        return [entry for stem, entry in self._documents if stem == wanted]

    def _warn_about_other_names(self) -> None:
        others = [entry.name for stem, entry in self._documents if stem != SIDECAR]
        if others:
            _log.warning(
                "%s holds no version: call %s 1.json or 1.0.0.json", self.path, min(others)
            )

    def meant_as_version(self) -> str | None:
        """The path of a document that is no version by its name, and looks as if it should be."""
        own = (self.subject, self.subject.rpartition(".")[2])
        for stem, entry in self._documents:
            if stem in own or _MEANT.fullmatch(stem):
                with suppress(RegistryProtocolError, OSError):
                    if isinstance(self._read(entry), dict):
                        return entry.path
        return None


def one_of(folder: str, stem: str, found: Sequence[D], read: Callable[[D], Any]) -> Sidecar:
    """What a document beside other files says; an empty one where there is none."""
    if len(found) > 1:
        one, other = sorted(document.path for document in found)[:2]
        raise RegistryProtocolError(f"{one} and {other}: keep one of them")
    if not found:
        return Sidecar(f"{folder}/{stem}.json")
    return Sidecar.read(found[0].path, read(found[0]))


def _same_version(one: str, other: str) -> RegistryProtocolError:
    one, other = sorted((one, other))
    return RegistryProtocolError(
        f"{one} and {other} are the same version, as when two branches add the same one: keep "
        "one of them, and register the other's schema again, as the next version"
    )
