"""The documents of one subject, wherever they lie: which are versions, what is said about them."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, Generic, Protocol, TypeVar

from llm_integrations.core.errors import InvalidSchema, RegistryProtocolError, SchemaNotFound
from llm_integrations.core.model.reference import Version
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.local.file.entries import name_of, registry_errors
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
        named = ((name_of(entry.name), entry) for entry in found)
        self._documents = [(name, entry) for name, entry in named if name is not None]
        self._files: dict[Version, D] | None = None
        self._sidecar: Sidecar | None = None
        self._ledger: Ledger | None = None

    @abstractmethod
    def _read(self, document: D) -> Any:
        """The JSON value of a file. FileNotFoundError when it is gone."""

    @property
    def is_empty(self) -> bool:
        return not any(name.version for name, _ in self._documents)

    @property
    def files(self) -> Mapping[Version, D]:
        """By version, ascending. RegistryProtocolError where two files are the same one."""
        if self._files is None:
            held = sorted(self._documents, key=lambda one: one[0].order)
            for (name, one), (following, other) in pairwise(held):
                if name.version is not None and name.order == following.order:
                    raise _same_version(one.path, other.path)
            self._files = {name.version: entry for name, entry in held if name.version is not None}
        return self._files

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            with registry_errors(self.path):
                files, sidecar = self.files, self.sidecar
                if not files:
                    self._warn_about_other_names()
                held = tuple(map(sidecar.entry, files))
                self._ledger = Ledger(self.subject, held, sidecar.compatibility)
        return self._ledger

    @property
    def sidecar(self) -> Sidecar:
        if self._sidecar is None:
            found = [entry for name, entry in self._documents if name.stem == SIDECAR]
            self._sidecar = one_of(self.path, SIDECAR, found, self._read)
        return self._sidecar

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

    def _warn_about_other_names(self) -> None:
        others = [entry.name for name, entry in self._documents if name.stem != SIDECAR]
        if others:
            _log.warning(
                "%s holds no version: call %s 1.json or 1.0.0.json", self.path, min(others)
            )

    def meant_as_version(self) -> str | None:
        """The path of a document that is no version by its name, and looks as if it should be."""
        own = (self.subject, self.subject.rpartition(".")[2])
        for name, entry in self._documents:
            if name.bare in own or _MEANT.fullmatch(name.bare):
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
