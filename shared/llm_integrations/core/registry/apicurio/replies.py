"""The answers of Apicurio Registry, as our values and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_integrations.core.errors import (
    IncompatibleSchema,
    InvalidReference,
    InvalidSchema,
    RegistryAuthError,
    RegistryError,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import LATEST, Version, parse_version
from llm_integrations.core.model.schema import (
    ACTIVE,
    DELETED,
    DEPRECATED,
    DRAFT,
    SchemaReference,
)
from llm_integrations.core.registry.confluent.contracts import read_metadata
from llm_integrations.core.registry.http.exchange import HttpResponse, error_document, shorten
from llm_integrations.core.registry.local.ledger import Entry

__all__ = ["STATES", "ApicurioVersion", "error_of", "labels_of", "read_references", "read_version"]

STATES: Final = {ACTIVE: "ENABLED", DEPRECATED: "DEPRECATED", DRAFT: "DRAFT", DELETED: "DISABLED"}
_FROM_APICURIO: Final = {name: state for state, name in STATES.items()} | {"SUNSET": DEPRECATED}


@dataclass(frozen=True, slots=True)
class ApicurioVersion:
    """One version of an artifact, without its content.

    Attributes:
        name: as the server calls it, for URLs.
        entry: as we read it; None where its name is no version that has an order.
        kind: the artifact's type, as JSON.
    """

    subject: str
    group: str
    name: str
    global_id: int
    kind: str
    entry: Entry | None


def read_version(found: Any, response: HttpResponse) -> ApicurioVersion:
    if not isinstance(found, dict):
        raise response.protocol_error("with no version")
    subject, name, global_id = (found.get(key) for key in ("artifactId", "version", "globalId"))
    if not (isinstance(subject, str) and isinstance(name, str) and isinstance(global_id, int)):
        raise response.protocol_error("with a version without its artifact, its name or its id")
    version, entry = _order_of(name), None
    if version is not None:
        state = _FROM_APICURIO.get(str(found.get("state", "ENABLED")), DELETED)
        entry = Entry(version, state, read_metadata({"properties": found.get("labels")}))
    group, kind = found.get("groupId") or "default", str(found.get("artifactType", ""))
    return ApicurioVersion(subject, str(group), name, global_id, kind, entry)


def _order_of(name: str) -> Version | None:
    """The server takes any text for a version; only some have an order."""
    try:
        version = parse_version(name)
    except InvalidReference:
        return None
    return None if version == LATEST else version


def read_references(found: Any, group: str, response: HttpResponse) -> tuple[SchemaReference, ...]:
    return tuple(_references(found, group, response))


def _references(found: Any, group: str, response: HttpResponse) -> Iterator[SchemaReference]:
    for one in found if isinstance(found, list) else ():
        try:
            name, subject, version = one["name"], one["artifactId"], one["version"]
            elsewhere = (one.get("groupId") or "default") != group
            reference = SchemaReference(name, subject, parse_version(version))
        except (KeyError, TypeError, AttributeError, InvalidReference):
            raise response.protocol_error(
                "with a reference without a name, an artifact and a version that has an order"
            ) from None
        if elsewhere:
            raise Unsupported(f"a reference leads to another group than {group!r}: {name}")
        yield reference


def labels_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as labels: tags joined by commas, what else is no text as JSON."""
    return {name: _label(name, value) for name, value in metadata.items()}


def _label(name: str, value: Any) -> str:
    if name == "tags" and isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def error_of(response: HttpResponse) -> RegistryError:
    """The error that a refusal (4xx) stands for."""
    found = error_document(response)
    name, title = str(found.get("name", "")), str(found.get("title") or found.get("message") or "")
    text = f"{response.url} answered {response.status} {name}: {shorten(_explained(found, title))}"
    if name == "RuleViolationException":
        kind = IncompatibleSchema if "ncompatible" in title else InvalidSchema
        return kind(text)
    if name in _BY_NAME:
        return _BY_NAME[name](text)
    if response.status in _BY_STATUS:
        return _BY_STATUS[response.status](text)
    return response.protocol_error(f"({shorten(title or 'no explanation')})")


_BY_NAME: Final[Mapping[str, type[RegistryError]]] = {
    "ReadOnlyStorageException": RegistryAuthError,
    "NotAllowedException": Unsupported,
    "InvalidCompatibilityLevelException": Unsupported,
    "LimitExceededException": Unsupported,
    "ReferenceExistsException": SchemaConflict,
}
_BY_STATUS: Final[Mapping[int, type[RegistryError]]] = {
    400: InvalidSchema,
    404: SchemaNotFound,
    405: Unsupported,
    409: SchemaConflict,
    422: InvalidSchema,
}


def _explained(found: Mapping[str, Any], title: str) -> str:
    causes = found.get("causes")
    if not isinstance(causes, list):
        return title or "no explanation"
    told = [str(one.get("description") or "") for one in causes if isinstance(one, dict)]
    return "; ".join([title, *told])
