"""The operations of an LLM Schema Registry, as generators of requests.

Its server keeps schemas and hands them out by id. Looking up by name is in the routes that its
SDKs use; a server without them gets a plain error. It judges neither data nor compatibility.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidReference,
    RegistryError,
    RegistryProtocolError,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version, version_key
from llm_integrations.core.model.schema import DELETED, JsonSchema, RegisteredSchema, fingerprint_of
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    path,
    raise_for_refusal,
)
from llm_integrations.core.registry.llm_registry.replies import (
    DEFAULT_NAMESPACE,
    error_of,
    id_of,
    is_confluent,
    is_missing_route,
    items_of,
    named,
    read_level,
    read_schema,
    read_versions,
)
from llm_integrations.core.registry.local.ledger import (
    DEFAULT_COMPATIBILITY,
    Entry,
    check_level,
    check_state,
)

__all__ = [
    "History",
    "get",
    "get_by_id",
    "history",
    "level",
    "lookup",
    "ping",
    "semantic",
    "store",
    "subjects",
    "versions",
]

_SCHEMAS: Final = ("api", "v1", "schemas")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PAGE: Final = 100
_NO_NAMES: Final = (
    "this LLM Schema Registry has no route for it: its server hands schemas out by id only "
    "(use get_by_id), looking up by name and listing came later"
)


@dataclass(frozen=True, slots=True)
class History:
    """What a subject has already: the schemas, ascending, and the level of the newest."""

    schemas: tuple[RegisteredSchema, ...] = ()
    level: str = DEFAULT_COMPATIBILITY

    def having(self, body: JsonSchema) -> RegisteredSchema | None:
        wanted = fingerprint_of(body)
        live = (s for s in reversed(self.schemas) if s.state != DELETED)
        return next((schema for schema in live if schema.fingerprint == wanted), None)

    def below(self, version: Version) -> list[RegisteredSchema]:
        """The released versions that come before one, oldest first: what it must go with."""
        return [
            schema
            for schema in self.schemas
            if Entry(schema.ref.version, schema.state).is_released
            and version_key(schema.ref.version) < version_key(version)
        ]


def _call(request: HttpRequest) -> Operation[tuple[Any, HttpResponse]]:
    """The JSON of a response that must be a success; Unsupported where the route is missing."""
    response = yield request
    raise_for_refusal(response)
    if response.status < 400:
        return response.json(), response
    if is_confluent(response):
        raise _confluent(response)
    if is_missing_route(response):
        raise (yield from _missing(response))
    raise error_of(response)


def _missing(response: HttpResponse) -> Operation[RegistryError]:
    """An old server of the right kind, or something else altogether?"""
    try:
        document = (yield HttpRequest("GET", "/health")).json()
    except RegistryError:
        document = None
    if isinstance(document, dict) and "components" in document:
        return Unsupported(f"{response.url}: {_NO_NAMES}")
    return response.protocol_error(
        "as no LLM Schema Registry does: check the URL and its path "
        "(a Confluent-compatible registry is written http:// or https://)"
    )


def _confluent(response: HttpResponse) -> RegistryProtocolError:
    return response.protocol_error(
        "as a Confluent-compatible registry does: write its URL with http:// or https://, "
        "without llm+"
    )


def _route(subject: str, *more: str) -> str:
    namespace, _, name = subject.rpartition(".")
    if not name or subject.startswith("."):
        raise InvalidReference(f"{subject!r} is not namespace.name, as this registry needs it")
    return path(*_SCHEMAS, namespace or DEFAULT_NAMESPACE, name, "versions", *more)


def semantic(version: Version) -> str:
    """The integer N is N.0.0 here."""
    return f"{version}.0.0" if isinstance(version, int) else version


def get(ref: SchemaRef) -> Operation[RegisteredSchema]:
    if ref.is_latest:
        return (yield from _latest(ref.subject))[0]
    return (yield from _exact(ref.subject, ref.version))[0]


def _exact(subject: str, version: Version) -> Operation[tuple[RegisteredSchema, str | None]]:
    document, response = yield from _call(HttpRequest("GET", _route(subject, semantic(version))))
    schema = read_schema(document, response, subject)
    return schema, read_level(document)


def _latest(subject: str) -> Operation[tuple[RegisteredSchema, str | None]]:
    """The listing says nothing of drafts, so the newest versions are looked at one by one."""
    every = yield from versions(subject)
    for version in reversed(every):
        if not Entry(version).is_released:
            continue
        schema, level = yield from _exact(subject, version)
        if Entry(version, schema.state).is_released:
            return schema, level
    raise SchemaNotFound(f"{subject!r} has drafts and pre-releases only: name an exact version")


def get_by_id(schema_id: SchemaId) -> Operation[RegisteredSchema]:
    if not isinstance(schema_id, str) or not _UUID.fullmatch(schema_id):
        raise SchemaNotFound(f"no schema has the id {schema_id!r}: ids are UUIDs here")
    document, response = yield from _call(HttpRequest("GET", path(*_SCHEMAS, schema_id)))
    return read_schema(document, response, None)


def versions(subject: str) -> Operation[list[Version]]:
    document, response = yield from _call(HttpRequest("GET", _route(subject)))
    found = read_versions(document, response)
    if not found:
        raise SchemaNotFound(f"subject {subject!r} is not in this registry")
    return found


def subjects() -> Operation[list[str]]:
    """Page by page, whatever the server makes of the size that we ask for.

    Versions are listed, so a page may hold no new subject and still not be the last.
    """
    found: set[str] = set()
    seen: set[str] = set()
    offset = size = 0
    while True:
        query = {"q": "", "limit": str(_PAGE), "offset": str(offset)}
        document, response = yield from _call(HttpRequest("GET", "/api/v1/search", query=query))
        page = items_of(document, response, "results")
        found |= {name for item in page if (name := named(item))}
        new = {json.dumps(item, sort_keys=True) for item in page} - seen
        seen |= new
        offset += len(page)
        if not new or len(page) < size:
            return sorted(found)
        size = size or len(page)


def history(subject: str) -> Operation[History]:
    """Every version with its body; nothing for an unknown subject."""
    try:
        every = yield from versions(subject)
    except SchemaNotFound:
        return History()
    schemas, level = [], None
    for version in every:
        schema, level = yield from _exact(subject, version)
        schemas.append(schema)
    return History(tuple(schemas), level or DEFAULT_COMPATIBILITY)


def lookup(subject: str, body: JsonSchema) -> Operation[RegisteredSchema]:
    found = (yield from history(subject)).having(body)
    if found is None:
        raise SchemaNotFound(f"no version of {subject!r} has this content")
    return found


def level(subject: str) -> Operation[str]:
    try:
        _, found = yield from _latest(subject)
    except SchemaNotFound:
        return DEFAULT_COMPATIBILITY
    return found or DEFAULT_COMPATIBILITY


def store(new: NewSchema, level: str) -> Operation[RegisteredSchema]:
    """Keep a new version. The server takes a version that exists for the same, so we look."""
    version, request = _registration(new, level)
    document, response = yield from _call(HttpRequest("POST", path(*_SCHEMAS), request))
    if not isinstance(document, dict):
        raise response.protocol_error("to a registration without an id")
    found = id_of(document, response)
    if response.status == 201:
        return RegisteredSchema(
            found, new.subject, version, new.body, (), request["state"], dict(new.metadata)
        )
    kept = yield from get_by_id(found)
    if kept.fingerprint != fingerprint_of(new.body):
        raise SchemaConflict(f"{new.subject}@{version} exists with other content")
    return kept


def _registration(new: NewSchema, level: str) -> tuple[str, dict[str, Any]]:
    _route(new.subject)
    if new.references:
        raise Unsupported("an LLM Schema Registry keeps no references between schemas")
    if new.version is None:
        raise ConfigurationError(
            f"an LLM Schema Registry numbers nothing itself: say which version of "
            f"{new.subject!r} this is (version=…)"
        )
    version = semantic(new.version)
    major, minor, patch, is_release, _ = version_key(version)
    if not is_release or "+" in version:
        raise Unsupported(f"an LLM Schema Registry has no pre-releases such as {version}")
    return version, {
        "subject": new.subject,
        "schema": new.body,
        "schema_type": "JSON",
        "version_major": major,
        "version_minor": minor,
        "version_patch": patch,
        "state": check_state(new.state),
        "compatibility_mode": check_level(level),
        **_metadata(new.metadata),
    }


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: metadata[key] for key in ("description",) if key in metadata}
    others = {k: v for k, v in metadata.items() if k not in ("description", "tags")}
    return {**fields, "tags": [str(tag) for tag in metadata.get("tags") or ()], "metadata": others}


def ping() -> Operation[dict[str, Any]]:
    document, response = yield from _call(HttpRequest("GET", "/health"))
    if not isinstance(document, dict) or "status" not in document:
        raise response.protocol_error("with no state of health: is it an LLM Schema Registry?")
    return {"url": response.url, **document}
