"""What a subject's folder says about its versions beside their schemas.

``meta.json`` holds only what differs from the usual, so that a folder of plain schemas needs none::

    {"compatibility": "FULL", "owner": "team-a", "tags": ["pii"],
     "versions": {"1": {"state": "DEPRECATED"},
                  "2": {"owner": "team-b", "references": [{"name": …, "subject": …, "version": 1}],
                        "metadata": {"ticket": "ABC-1"}}}}

Owner, tags and metadata at the top hold for every version that says nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError, InvalidReference, RegistryProtocolError
from llm_integrations.core.model.reference import Version, parse_version
from llm_integrations.core.model.schema import ACTIVE, SchemaReference
from llm_integrations.core.registry.local.ledger import STATES, Entry, Ledger, check_level

__all__ = ["Sidecar"]

_PLAIN_KEYS: Final = ("owner", "tags")
_plain_entry: Final = lru_cache(maxsize=4096)(Entry)


@dataclass(frozen=True)
class Sidecar:
    """One ``meta`` file. ``content`` is kept whole: people may add keys of their own."""

    source: str
    content: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, source: str, document: Any) -> Sidecar:
        """Raises RegistryProtocolError naming the file when it is not laid out as above."""
        sidecar = cls(source, document if isinstance(document, dict) else {})
        if sidecar.content is not document:
            raise sidecar._damaged("it must be an object")
        if not all(isinstance(v, dict) for v in sidecar._versions.values()):
            raise sidecar._damaged("'versions' must map versions to objects")
        return sidecar

    @property
    def subject(self) -> str | None:
        """Which subject this is, where the folder's name cannot tell."""
        subject = self.content.get("subject")
        return subject if isinstance(subject, str) else None

    @property
    def compatibility(self) -> str | None:
        level = self.content.get("compatibility")
        if level is None:
            return None
        try:
            return check_level(level)
        except ConfigurationError as error:
            raise self._damaged(str(error)) from None

    def entry(self, version: Version) -> Entry:
        own = self._versions.get(str(version), {}) if self.content else {}
        if not own and not (self.content and self._common):
            return _plain_entry(version)
        state = str(own.get("state", ACTIVE)).upper()
        if state not in STATES:
            raise self._damaged(f"{own['state']!r} is none of {', '.join(STATES)}")
        metadata = {**self._common, **self._metadata(own)}
        return Entry(version, state, metadata, self._references(own))

    def updated(self, ledger: Ledger) -> dict[str, Any]:
        """The content that makes a reader see this ledger, everything else left as it was."""
        content = {k: v for k, v in self.content.items() if k not in ("versions", "compatibility")}
        if ledger.compatibility is not None:
            content["compatibility"] = ledger.compatibility
        versions = dict(self._written(ledger.entries))
        if versions:
            content["versions"] = versions
        return content

    def _written(self, entries: Iterable[Entry]) -> Iterable[tuple[str, Any]]:
        for entry in entries:
            key = str(entry.version)
            if self.entry(entry.version) != entry:
                yield key, _encode(entry)
            elif key in self._versions:
                yield key, self._versions[key]

    @cached_property
    def _common(self) -> Mapping[str, Any]:
        """The metadata of every version."""
        return self._metadata(self.content)

    @cached_property
    def _versions(self) -> Mapping[str, Any]:
        versions = self.content.get("versions", {})
        if not isinstance(versions, dict):
            raise self._damaged("'versions' must be an object")
        return versions

    def _metadata(self, part: Mapping[str, Any]) -> dict[str, Any]:
        metadata = part.get("metadata", {})
        if not isinstance(metadata, dict):
            raise self._damaged("'metadata' must be an object")
        return {**metadata, **{key: part[key] for key in _PLAIN_KEYS if key in part}}

    def _references(self, part: Mapping[str, Any]) -> tuple[SchemaReference, ...]:
        try:
            return tuple(
                SchemaReference(r["name"], r["subject"], parse_version(r["version"]))
                for r in part.get("references", ())
            )
        except (KeyError, TypeError, InvalidReference):
            raise self._damaged("'references' are objects of name, subject and version") from None

    def _damaged(self, reason: str) -> RegistryProtocolError:
        return RegistryProtocolError(f"{self.source} is damaged: {reason}")


def _encode(entry: Entry) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if entry.state != ACTIVE:
        written["state"] = entry.state
    written.update({key: entry.metadata[key] for key in _PLAIN_KEYS if key in entry.metadata})
    others = {key: value for key, value in entry.metadata.items() if key not in _PLAIN_KEYS}
    if others:
        written["metadata"] = others
    if entry.references:
        written["references"] = [
            {"name": r.name, "subject": r.subject, "version": r.version} for r in entry.references
        ]
    return written
