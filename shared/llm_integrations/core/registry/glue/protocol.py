"""Glue's operations on one registry: each a generator of requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_integrations.core.errors import (
    IncompatibleSchema,
    InvalidSchema,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailable,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef, Version, version_key
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema, fingerprint_of
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    parse_schema,
    shorten,
)

__all__ = ["GlueRegistry"]

_PAGE: Final = 100
_LOOKS: Final = 30  # at a version that Glue has not judged yet
_LIVE: Final = "AVAILABLE"
_DEFAULT_LEVEL: Final = "BACKWARD"
_MISSING: Final = "EntityNotFoundException"
_ERRORS: Final[Mapping[str, type[RegistryError]]] = {
    _MISSING: SchemaNotFound,
    "AlreadyExistsException": SchemaConflict,
    "InvalidInputException": InvalidSchema,
    "AccessDeniedException": RegistryAuthError,
    "ExpiredTokenException": RegistryAuthError,
    "IncompleteSignature": RegistryAuthError,
    "InvalidSignatureException": RegistryAuthError,
    "MissingAuthenticationTokenException": RegistryAuthError,
    "UnrecognizedClientException": RegistryAuthError,
}
_PASSING: Final = frozenset(
    {"ConcurrentModificationException", "ThrottlingException", "TooManyRequestsException"}
)


@dataclass(frozen=True, slots=True)
class GlueRegistry:
    """The operations on the registry of this name."""

    name: str

    def get(self, ref: SchemaRef) -> Operation[RegisteredSchema]:
        which: dict[str, Any] = {"LatestVersion": True}
        if not ref.is_latest:
            which = {"VersionNumber": _number_of(ref)}
        document = yield from _ask(
            "GetSchemaVersion", SchemaId=self._id(ref.subject), SchemaVersionNumber=which
        )
        return _schema(document, ref.subject)

    def get_by_id(self, schema_id: str) -> Operation[RegisteredSchema]:
        document = yield from _ask("GetSchemaVersion", SchemaVersionId=schema_id)
        arn = str(document.get("SchemaArn", "")).rpartition(":schema/")[2]
        registry, _, subject = arn.partition("/")
        if registry != self.name:
            raise SchemaNotFound(f"the schema of id {schema_id} is not in the registry {self.name}")
        return _schema(document, subject)

    def subjects(self) -> Operation[list[str]]:
        found = yield from _pages("ListSchemas", "Schemas", RegistryId=self._registry)
        live = (item for item in found if item.get("SchemaStatus", _LIVE) == _LIVE)
        return sorted(str(item["SchemaName"]) for item in live)

    def versions(self, subject: str) -> Operation[list[Version]]:
        found = yield from _pages("ListSchemaVersions", "Schemas", SchemaId=self._id(subject))
        return sorted(item["VersionNumber"] for item in found if item.get("Status") == _LIVE)

    def lookup(self, subject: str, body: JsonSchema) -> Operation[RegisteredSchema]:
        found = yield from self._equal(subject, body)
        if found is None:
            raise SchemaNotFound(f"no version of {subject!r} has this content")
        return found

    def _equal(self, subject: str, body: JsonSchema) -> Operation[RegisteredSchema | None]:
        """By its text, which is what Glue compares; the newest one by its content besides."""
        try:
            known = yield from _ask(
                "GetSchemaByDefinition", SchemaId=self._id(subject), SchemaDefinition=_text(body)
            )
            return (yield from self.get_by_id(known["SchemaVersionId"]))
        except SchemaNotFound:
            pass
        try:
            newest = yield from self.get(SchemaRef(subject))
        except (SchemaNotFound, InvalidSchema):
            return None
        return newest if newest.fingerprint == fingerprint_of(body) else None

    def register(self, new: NewSchema) -> Operation[RegisteredSchema]:
        known = yield from self._equal(new.subject, new.body)
        if known is not None:
            return known
        try:
            before = yield from self.level(new.subject)
        except SchemaNotFound:
            return (yield from self._create(new))
        level = new.compatibility or before
        if level != before:
            yield from self.set_level(new.subject, level)
        try:
            return (yield from self._add(new))
        except RegistryError:
            if level != before:
                yield from self.set_level(new.subject, before)
            raise

    def _create(self, new: NewSchema) -> Operation[RegisteredSchema]:
        created = yield from _ask(
            "CreateSchema",
            RegistryId=self._registry,
            SchemaName=new.subject,
            DataFormat="JSON",
            Compatibility=_to_glue(new.compatibility or _DEFAULT_LEVEL),
            SchemaDefinition=_text(new.body),
        )
        return (yield from self.get_by_id(created["SchemaVersionId"]))

    def _add(self, new: NewSchema) -> Operation[RegisteredSchema]:
        text = _text(new.body)
        added = yield from _ask(
            "RegisterSchemaVersion",
            SchemaId=self._id(new.subject),
            SchemaDefinition=text,
        )
        status, looks = added.get("Status"), 0
        while status == "PENDING" and looks < _LOOKS:
            seen = yield from _ask("GetSchemaVersion", SchemaVersionId=added["SchemaVersionId"])
            status, looks = seen.get("Status"), looks + 1
        if status == "FAILURE":
            raise IncompatibleSchema(f"AWS Glue refused the new version of {new.subject!r}")
        return (yield from self.get_by_id(added["SchemaVersionId"]))

    def level(self, subject: str) -> Operation[str]:
        document = yield from _ask("GetSchema", SchemaId=self._id(subject))
        level = str(document.get("Compatibility", "NONE")).replace("_ALL", "_TRANSITIVE")
        return "NONE" if level == "DISABLED" else level

    def set_level(self, subject: str, level: str) -> Operation[None]:
        yield from _ask("UpdateSchema", SchemaId=self._id(subject), Compatibility=_to_glue(level))

    def delete(self, ref: SchemaRef) -> Operation[None]:
        number = _number_of(ref)
        yield from _ask(
            "DeleteSchemaVersions", SchemaId=self._id(ref.subject), Versions=str(number)
        )

    def delete_subject(self, subject: str) -> Operation[list[Version]]:
        versions = yield from self.versions(subject)
        yield from _ask("DeleteSchema", SchemaId=self._id(subject))
        return versions

    def ping(self) -> Operation[dict[str, Any]]:
        document = yield from _ask("GetRegistry", RegistryId=self._registry)
        return {"registry": document.get("RegistryArn", self.name)}

    @property
    def _registry(self) -> dict[str, str]:
        return {"RegistryName": self.name}

    def _id(self, subject: str) -> dict[str, str]:
        return {"RegistryName": self.name, "SchemaName": subject}


def _number_of(ref: SchemaRef) -> int:
    major, *rest = version_key(ref.version)
    if rest != [0, 0, 1, ()] or "+" in str(ref.version) or not 1 <= major <= 100_000:
        raise SchemaNotFound(
            f"{ref.subject!r} has no version {ref.version}: they are integers here"
        )
    return int(major)


def _to_glue(level: str) -> str:
    return level.upper().replace("_TRANSITIVE", "_ALL")


def _text(body: JsonSchema) -> str:
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _schema(document: Mapping[str, Any], subject: str) -> RegisteredSchema:
    number, schema_id = document.get("VersionNumber"), document.get("SchemaVersionId")
    name = f"{subject}@{number}"
    if document.get("Status", _LIVE) != _LIVE:
        raise SchemaNotFound(f"{name} is {shorten(document['Status'], 40)}")
    kind = document.get("DataFormat")
    if kind != "JSON":
        raise InvalidSchema(f"{name} is of type {shorten(kind, 40)}: only JSON Schemas count")
    if not isinstance(number, int) or not isinstance(schema_id, str):
        raise InvalidSchema(f"{name} came without its number or its id")
    body = parse_schema(document.get("SchemaDefinition"), name)
    return RegisteredSchema(id=schema_id, subject=subject, version=number, body=body)


def _pages(action: str, key: str, **asked: Any) -> Operation[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    token: dict[str, Any] = {}
    while True:
        document = yield from _ask(action, **asked, MaxResults=_PAGE, **token)
        found += document.get(key) or []
        if not document.get("NextToken"):
            return found
        token = {"NextToken": document["NextToken"]}


def _ask(action: str, **asked: Any) -> Operation[dict[str, Any]]:
    response = yield HttpRequest("POST", "/", asked, headers={"X-Amz-Target": f"AWSGlue.{action}"})
    if response.status >= 400:
        raise _error_of(response, action)
    document = response.json()
    if not isinstance(document, dict):
        raise response.protocol_error("with no object")
    return document


def _error_of(response: HttpResponse, action: str) -> RegistryError:
    try:
        document = response.json()
    except RegistryError as error:
        return error
    found = document if isinstance(document, dict) else {}
    kind = str(found.get("__type", "")).rpartition("#")[2]
    told = shorten(found.get("Message") or found.get("message") or "no explanation")
    text = f"AWS Glue answered {action} with {shorten(kind or response.status, 60)}: {told}"
    if kind in _PASSING:
        return RegistryUnavailable(text, retryable=True, counts_as_failure=False)
    if kind in _ERRORS:
        return _ERRORS[kind](text)
    if "NotFound" in kind:
        return SchemaNotFound(text)
    if response.status in (401, 403):
        return RegistryAuthError(text)
    if kind == "UnknownOperationException":
        return Unsupported(text)
    return response.protocol_error(f"({told})")
