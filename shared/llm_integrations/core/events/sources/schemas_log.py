"""Interpreting the records of a Confluent ``_schemas`` topic; no Kafka is involved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.events.delivery.deliverer import count_unreadable
from llm_integrations.core.events.sources.view import SeenVersion, View, events_between
from llm_integrations.core.model.changes import deleted_event
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.schema import ACTIVE, DELETED, RegisteredSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.confluent.replies import DEFAULT_CONTEXT, context_of, parse_body

__all__ = ["SchemasLog"]

log = get_logger(__name__)

_LARGEST: Final = 2**31 - 1  # ids and versions are Java's int
_OTHER: Final = "OTHER"  # the state of a version that is no JSON Schema, so no business of ours


class SchemasLog:
    """Reads the log record by record and gives the events that each stands for.

    Compaction leaves out what later records made obsolete, so a deletion may concern a version
    that was never seen here.

    Args:
        registry: the registry's name in events: part of every event's id.
        url: its URL, which may name the one context of which to tell; subjects are those in it.
    """

    def __init__(self, registry: str, url: str = "") -> None:
        self._registry = registry
        self._context = context_of(url)
        self.view = View()

    def apply(self, key: bytes | None, value: bytes | None) -> list[SchemaEvent]:
        """The events that the log's next record stands for.

        None for a record of another kind, and for one that cannot be read, which is logged and
        counted: those behind it must be heard.
        """
        try:
            return self._apply(key, value)
        except Exception as error:  # noqa: BLE001 - whatever a record makes us raise
            reason = str(error) if isinstance(error, LLMIntegrationsError) else type(error).__name__
            log.warning("a record of the schemas topic is left out: %s", reason)
            count_unreadable("confluent-topic")
            return []

    def gone(self, versions: View) -> list[SchemaEvent]:
        """Hard deletions of versions that were in the log before and are not any more.

        Compaction removes a deletion's record too, in the end.
        """
        return [
            event
            for subject, missing in versions.without(self.view).subjects.items()
            for version, seen in missing.items()
            for event in self._gone(subject, version, seen, permanent=True)
        ]

    def _apply(self, key: bytes | None, value: bytes | None) -> list[SchemaEvent]:
        name, content = _object(key) or {}, _object(value)
        subject = name.get("subject")
        if not isinstance(subject, str) or not subject.strip():
            return []
        if self._context not in (DEFAULT_CONTEXT, subject[: len(self._context)]):
            return []
        subject = subject.removeprefix(self._context)
        match name.get("keytype"):
            case "SCHEMA":
                return self._version(subject, name.get("version"), content, gone=not value)
            case "DELETE_SUBJECT" if content is not None:
                return self._subject(subject, content.get("version"))
        return []

    def _version(
        self, subject: str, version: Any, content: Mapping[str, Any] | None, *, gone: bool
    ) -> list[SchemaEvent]:
        if not _is_number(version) or version < 1:
            return []
        before = self.view.of(subject)
        known = before.get(version)
        if gone:
            events = self._gone(subject, version, known, permanent=True)
            self.view.put(subject, {v: seen for v, seen in before.items() if v != version})
            return events
        if content is None:
            return []
        if content.get("deleted") is True:
            if known is not None and known.state == DELETED:
                return []
            number = content["id"] if _is_number(content.get("id")) else None
            foreign = not _is_json(content)
            now = SeenVersion(version, number, "", _OTHER if foreign else DELETED)
            seen = now if foreign else (known or now)
            events = self._gone(subject, version, seen, permanent=False)
            self.view.put(subject, {**before, version: now})
            return events
        return self._content(subject, version, content)

    def _content(self, subject: str, version: int, content: Mapping[str, Any]) -> list[SchemaEvent]:
        before = self.view.of(subject)
        now = _read(subject, version, content)
        if now is None:
            return []
        after = {**before, version: now}
        events = events_between(self._registry, subject, _ours(before), _ours(after))
        self.view.put(subject, {**before, version: replace(now, schema=None)})
        return events

    def _subject(self, subject: str, last: Any) -> list[SchemaEvent]:
        """A soft deletion of all versions up to one."""
        events: list[SchemaEvent] = []
        before = dict(self.view.of(subject))
        for version, known in before.items():
            is_meant = isinstance(last, int) and isinstance(version, int) and version <= last
            if is_meant and known.is_live and known.state != _OTHER:
                before[version] = replace(known, fingerprint="", state=DELETED)
                events += self._gone(subject, version, known, permanent=False)
        self.view.put(subject, before)
        return events

    def _gone(
        self, subject: str, version: int | str, known: SeenVersion | None, *, permanent: bool
    ) -> list[SchemaEvent]:
        if known is not None and known.state == _OTHER:
            return []
        number = known.schema_id if known is not None else None
        return [
            deleted_event(self._registry, subject, version, permanent=permanent, schema_id=number)
        ]


def _ours(versions: Mapping[Any, SeenVersion]) -> dict[Any, SeenVersion]:
    return {version: seen for version, seen in versions.items() if seen.state != _OTHER}


def _read(subject: str, version: int, content: Mapping[str, Any]) -> SeenVersion | None:
    number = content.get("id")
    if not _is_number(number):
        return None
    if not _is_json(content):
        return SeenVersion(version, number, "", _OTHER)
    body = parse_body(content.get("schema"), "JSON", f"{subject}@{version}")
    return SeenVersion.of(
        RegisteredSchema(number, subject, version, body, state=ACTIVE, metadata=_metadata(content))
    )


def _is_number(value: Any) -> TypeGuard[int]:
    return type(value) is int and value <= _LARGEST


def _is_json(content: Mapping[str, Any]) -> bool:
    return content.get("schemaType") == "JSON"


def _metadata(content: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = content.get("metadata")
    properties = metadata.get("properties") if isinstance(metadata, dict) else None
    return properties if isinstance(properties, dict) else {}


def _object(raw: bytes | None) -> Mapping[str, Any] | None:
    if not raw:
        return None
    document = json.loads(raw)
    return document if isinstance(document, dict) else None
