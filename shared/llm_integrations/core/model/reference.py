"""Schema references: ``subject@version``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from llm_integrations.core.errors import InvalidReference

__all__ = ["LATEST", "SchemaId", "SchemaRef", "Version", "parse_version", "version_key"]

Version = int | str
"""An integer, as Confluent counts, or a semantic version such as ``"2.0.0"``."""

SchemaId = int | str
"""An int on Confluent; a UUID in text form elsewhere."""

LATEST: Final = "latest"

_INTEGER = re.compile(r"[1-9][0-9]{0,17}")
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_PRERELEASE = r"(?:0|[1-9][0-9]{0,17}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-({_PRERELEASE}(?:\.{_PRERELEASE})*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_SPACED_VERSION = re.compile(r"v[0-9].*")
_HINT = "write subject@2, subject@2.0.0, subject@latest or just the subject"


def parse_version(text: str | int) -> Version:
    """Read one exact version or ``latest``; raise InvalidReference for anything else."""
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise InvalidReference(f"a version is an integer or text, not {type(text).__name__}")
    if isinstance(text, int):
        if text < 1:
            raise InvalidReference(f"versions start at 1, not {text}")
        return text
    if text == LATEST or _SEMANTIC.fullmatch(text):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    raise InvalidReference(f"{text!r} is not a version: {_HINT}")


def version_key(version: Version) -> tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]:
    """Sort key by SemVer precedence; the integer N sorts as N.0.0."""
    if isinstance(version, int):
        return (version, 0, 0, 1, ())
    match = _SEMANTIC.fullmatch(version)
    if match is None:
        raise InvalidReference(f"{version!r} has no order: it is not an exact version")
    major, minor, patch, pre = match.group(1, 2, 3, 4)
    identifiers = tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in (pre.split(".") if pre else ())
    )
    return (int(major), int(minor), int(patch), 0 if pre else 1, identifiers)


@dataclass(frozen=True, slots=True)
class SchemaRef:
    """A subject and the version of it that is meant.

    Args:
        subject: the schema's name in the registry; may hold ``@``, ``/``, ``:`` and spaces.
        version: an int, a semantic version or ``"latest"``.

    Raises:
        InvalidReference: for an empty subject, control characters or something that is no version.
    """

    subject: str
    version: Version = LATEST

    def __post_init__(self) -> None:
        if not isinstance(self.subject, str) or not self.subject.strip():
            raise InvalidReference(f"a reference needs a subject: {_HINT}")
        if self.subject != self.subject.strip() or not self.subject.isprintable():
            raise InvalidReference(
                f"subject {self.subject!r} has surrounding space or characters that do not print"
            )
        object.__setattr__(self, "version", parse_version(self.version))

    @classmethod
    def parse(cls, reference: str | SchemaRef) -> SchemaRef:
        """Read ``ns.name@2.0.0``, ``name@2``, ``name@latest``, ``name`` or ``name v2.0.0``."""
        if isinstance(reference, SchemaRef):
            return reference
        if not isinstance(reference, str):
            raise InvalidReference(f"a reference is text, not {type(reference).__name__}: {_HINT}")
        subject, at, version = reference.rpartition("@")
        if at:
            return cls(subject, parse_version(version))
        *words, last = reference.rsplit(maxsplit=1) or [""]
        if words and _SPACED_VERSION.fullmatch(last):
            return cls(words[0], parse_version(last[1:]))
        return cls(reference)

    @property
    def is_latest(self) -> bool:
        return self.version == LATEST

    @property
    def is_prerelease(self) -> bool:
        return not self.is_latest and version_key(self.version)[3] == 0

    @property
    def namespace(self) -> str:
        """What stands before the last dot of the subject; empty without one."""
        return self.subject.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.subject.rpartition(".")[2]

    def __str__(self) -> str:
        return f"{self.subject}@{self.version}"
