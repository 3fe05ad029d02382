"""The answers of an LLM Schema Registry, as our values and errors.

Its server and its SDKs name some fields differently (``id`` and ``schema_id``, ``JSON`` and
``json_schema``); everything here takes both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from llm_integrations.core.errors import (
    InvalidReference,
    InvalidSchema,
    OtherSchemaType,
    RegistryError,
    SchemaConflict,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import LATEST, Version, parse_version, version_key
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema
from llm_integrations.core.registry.http.exchange import HttpResponse, parse_schema, shorten

__all__ = [
    "DEFAULT_NAMESPACE",
    "error_of",
    "id_of",
    "is_confluent",
    "is_missing_route",
    "items_of",
    "named",
    "read_level",
    "read_schema",
    "read_versions",
    "subject_of",
    "version_of",
]

DEFAULT_NAMESPACE: Final = "default"
_JSON_FORMATS: Final = ("JSON", "JSON_SCHEMA", "JSONSCHEMA")
_METADATA: Final = ("description", "tags")


def is_missing_route(response: HttpResponse) -> bool:
    """Whether the server has no such route: it explains every 404 and 405 of its own."""
    return response.status in (404, 405) and _explanation(response) is None


def is_confluent(response: HttpResponse) -> bool:
    """Whether a registry of the other kind answered."""
    if "schemaregistry" in response.content_type:
        return True
    document = _document(response)
    return document == "Not Found" or (isinstance(document, dict) and "error_code" in document)


def _document(response: HttpResponse) -> Any:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _explanation(response: HttpResponse) -> str | None:
    document = _document(response)
    if not isinstance(document, dict) or "error_code" in document:
        return None
    text = document.get("error") or document.get("message")
    return shorten(text) if isinstance(text, str) else None


def error_of(response: HttpResponse) -> RegistryError:
    """The error that a refusal (4xx) stands for."""
    text = (
        f"{response.url} answered {response.status}: {_explanation(response) or 'no explanation'}"
    )
    match response.status:
        case 404:
            return SchemaNotFound(text)
        case 409:
            return SchemaConflict(text)
        case 400 | 422:
            return InvalidSchema(text)
    return response.protocol_error(f"({_explanation(response) or 'no explanation'})")


def read_schema(document: Any, response: HttpResponse, subject: str | None) -> RegisteredSchema:
    """``subject``: what was asked for, if it was not an id; namespace and name say the same."""
    if not isinstance(document, dict):
        raise response.protocol_error("with something that is no schema")
    own = subject_of(document, response)
    if subject is not None and own != subject.removeprefix(f"{DEFAULT_NAMESPACE}."):
        raise response.protocol_error("with a schema of another subject")
    version = version_of(document, response)
    return RegisteredSchema(
        id=id_of(document, response),
        subject=subject or own,
        version=version,
        body=_body(document, f"{subject or own}@{version}"),
        state=str(document.get("state") or "ACTIVE").upper(),
        metadata=_metadata(document),
    )


def id_of(document: Mapping[str, Any], response: HttpResponse) -> str:
    found = document.get("id", document.get("schema_id"))
    if not isinstance(found, str):
        raise response.protocol_error("with a schema that has no id")
    return found


def version_of(document: Mapping[str, Any], response: HttpResponse) -> Version:
    found = document.get("version")
    try:
        version = parse_version(found) if isinstance(found, str) else LATEST
    except InvalidReference:
        version = LATEST
    if version == LATEST:
        raise response.protocol_error("with a schema that has no version")
    return version


def subject_of(document: Mapping[str, Any], response: HttpResponse) -> str:
    found = named(document)
    if found is None:
        raise response.protocol_error("with a schema that has no namespace and name")
    return found


def named(document: Mapping[str, Any]) -> str | None:
    """The subject, or None where the document names none."""
    namespace, name = document.get("namespace"), document.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str) or not name:
        return None
    return name if namespace in ("", DEFAULT_NAMESPACE) else f"{namespace}.{name}"


def _body(document: Mapping[str, Any], name: str) -> JsonSchema:
    """From ``content``, the text that was registered: ``schema`` is ``{}`` where it is broken."""
    kind = str(document.get("format") or document.get("schema_type") or "JSON")
    if kind.upper() not in _JSON_FORMATS:
        raise OtherSchemaType(f"{name} is of type {kind}: only JSON Schemas can be judged by")
    content = document.get("content")
    return parse_schema(content if isinstance(content, str) else document.get("schema"), name)


def _metadata(document: Mapping[str, Any]) -> dict[str, Any]:
    found = document.get("metadata")
    metadata = dict(found) if isinstance(found, dict) else {}
    custom = metadata.pop("custom", None)
    if isinstance(custom, dict):
        metadata = {**custom, **metadata}
    return metadata | {key: document[key] for key in _METADATA if document.get(key)}


def read_level(document: Any) -> str | None:
    found = document.get("compatibility_mode") if isinstance(document, dict) else None
    return found.upper() if isinstance(found, str) and found else None


def items_of(document: Any, response: HttpResponse, key: str) -> list[Mapping[str, Any]]:
    """The objects of a list of objects or versions, bare or under ``key``."""
    found = document.get(key) if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise response.protocol_error("with something that is no list")
    return [item if isinstance(item, dict) else {"version": item} for item in found]


def read_versions(document: Any, response: HttpResponse) -> list[Version]:
    """Ascending."""
    items = items_of(document, response, "versions")
    return sorted((version_of(item, response) for item in items), key=version_key)
