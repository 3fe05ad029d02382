"""The stamp: what a piece's metadata says about the schema that the piece was judged by.

Flat text under a few keys of ours, on any mapping: every store can keep it and filter by it. What
is judged is the metadata without them, as its author wrote it.

The keys have a suffix, made from the subject, where the plain ones are taken: by the stamp of
another subject, or by metadata of the author's own that bears their names. A stamp stands behind
all that was judged, so that what a parser or an extractor added later can be told from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

from llm_integrations.core.model.reference import SchemaId
from llm_integrations.core.validation.validator import Validator

__all__ = [
    "FINGERPRINT",
    "ID",
    "ISSUE",
    "STAMP_KEYS",
    "SUBJECT",
    "VALID",
    "VERSION",
    "InForce",
    "Stamp",
    "is_stamped",
    "judged_part",
    "stamp_keys_of",
    "stamp_of",
    "stamps_of",
    "suffix_of",
    "without_stamp",
]

SUBJECT: Final = "schema_subject"
VERSION: Final = "schema_version"
ID: Final = "schema_id"
FINGERPRINT: Final = "schema_fingerprint"
VALID: Final = "schema_valid"
"""Only on what passed although it is invalid (mode "warn"), and then False."""
ISSUE: Final = "schema_issue"
"""What was found out later: "invalid" or "stale"."""

STAMP_KEYS: Final = (SUBJECT, VERSION, ID, FINGERPRINT, VALID, ISSUE)
_OF_A_STAMP: Final = (SUBJECT, VERSION, ID, FINGERPRINT, VALID)
_DIGEST: Final = 64  # characters of a fingerprint, a SHA-256
_SUFFIX: Final = len("_12345678")


class Stamp(NamedTuple):
    """One stamp on a piece's metadata; ``suffix`` is that of its keys, empty for the plain ones."""

    subject: str
    version: str
    fingerprint: str
    suffix: str = ""


@dataclass(frozen=True)
class InForce:
    """One version of a schema, and what it stamps."""

    validator: Validator
    schema_id: SchemaId

    @property
    def version(self) -> str:
        return self.validator.reference.rpartition("@")[2]

    @property
    def fingerprint(self) -> str:
        return self.validator.fingerprint

    @cached_property
    def stamp(self) -> dict[str, Any]:
        """The keys and values for what is valid."""
        return {
            SUBJECT: self.validator.subject or "",
            VERSION: self.version,
            ID: str(self.schema_id),
            FINGERPRINT: self.fingerprint,
        }

    def stamped(self, metadata: Mapping[str, Any], *, valid: bool = True) -> dict[str, Any]:
        """The metadata with this stamp at its end, and no other of its subject."""
        subject = self.validator.subject or ""
        stamp = self.stamp if valid else {**self.stamp, VALID: False}
        if metadata.keys().isdisjoint(STAMP_KEYS) and not _suffixes(tuple(metadata)):
            return {**metadata, **stamp}
        rest = dict(metadata)
        for old in stamps_of(metadata):
            if old.subject == subject:
                _remove(rest, old.suffix)
        if rest.get(ISSUE) in _ISSUES:
            del rest[ISSUE]
        suffix = suffix_of(subject) if any(key in rest for key in _OF_A_STAMP) else ""
        return {**rest, **{key + suffix: value for key, value in stamp.items()}}


_ISSUES: Final = ("invalid", "stale")


def is_stamped(metadata: Mapping[str, Any]) -> bool:
    return bool(stamps_of(metadata)) or metadata.get(ISSUE) in _ISSUES


def stamps_of(metadata: Mapping[str, Any]) -> list[Stamp]:
    """The stamps in the order in which they were set."""
    found = []
    for suffix in _suffixes(tuple(metadata)):
        fingerprint = metadata.get(FINGERPRINT + suffix, "")
        is_whole = isinstance(fingerprint, str) and len(fingerprint) == _DIGEST
        # Stores that were filled by hand, or by others, may name subject and version alone.
        if is_whole or (not fingerprint and VERSION + suffix in metadata):
            subject = str(metadata[SUBJECT + suffix])
            if not suffix or suffix == suffix_of(subject):
                version = str(metadata.get(VERSION + suffix))
                found.append(Stamp(subject, version, fingerprint, suffix))
    return found


@lru_cache(maxsize=1024)
def _suffixes(keys: tuple[Any, ...]) -> tuple[str, ...]:
    """The ends of keys that may be a stamp's. The nodes of a store have few sets of keys."""
    size = len(SUBJECT)
    return tuple(k[size:] for k in keys if isinstance(k, str) and k.startswith(SUBJECT))


def stamp_of(metadata: Mapping[str, Any], subject: str) -> Stamp | None:
    """The stamp of one subject."""
    return next((stamp for stamp in stamps_of(metadata) if stamp.subject == subject), None)


@lru_cache(maxsize=1024)
def suffix_of(subject: str) -> str:
    """The end of a stamp's keys where the plain ones are taken: letters that any store allows."""
    return f"_{hashlib.sha256(subject.encode(errors='surrogatepass')).hexdigest()[: _SUFFIX - 1]}"


def stamp_keys_of(metadata: Mapping[str, Any]) -> Sequence[str]:
    """Every key that is ours: those of its stamps, and that of an issue."""
    suffixes = [stamp.suffix for stamp in stamps_of(metadata)]
    if suffixes == [""]:
        return STAMP_KEYS
    keys = [key + suffix for suffix in suffixes for key in _OF_A_STAMP]
    return [*keys, ISSUE] if keys or metadata.get(ISSUE) in _ISSUES else keys


def without_stamp(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata as its author wrote it; the same object where there is no stamp."""
    ours = stamp_keys_of(metadata)
    if not ours:
        return metadata
    return {key: value for key, value in metadata.items() if key not in ours}


def judged_part(metadata: Mapping[str, Any], stamp: Stamp) -> Mapping[str, Any]:
    """What a stamp vouches for: all that stands before it, without other stamps.

    All metadata where a store has put the keys in another order.
    """
    every = tuple(metadata)
    keys = _before(every, stamp.suffix)
    if keys is None:
        return without_stamp(metadata)
    judged = {key: metadata[key] for key in keys}
    is_alone = not stamp.suffix and len(_suffixes(every)) == 1
    return judged if is_alone else without_stamp(judged)


@lru_cache(maxsize=1024)
def _before(keys: tuple[Any, ...], suffix: str) -> tuple[Any, ...] | None:
    """The keys before a stamp; None where its own are not in order."""
    first = keys.index(SUBJECT + suffix)
    own = tuple(key + suffix for key in (SUBJECT, VERSION, ID, FINGERPRINT))
    return keys[:first] if keys[first : first + len(own)] == own else None


def _remove(metadata: dict[str, Any], suffix: str) -> None:
    for key in _OF_A_STAMP:
        metadata.pop(key + suffix, None)
