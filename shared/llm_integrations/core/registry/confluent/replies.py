"""The answers of a Confluent-compatible registry, as our values and errors.

Confluent's server, Karapace, Redpanda and Apicurio differ in what they leave out and in the codes
they use beside the documented ones; everything here takes what any of them sends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeGuard
from urllib.parse import unquote

from llm_integrations.core.errors import (
    IncompatibleSchema,
    InvalidReference,
    InvalidSchema,
    OtherSchemaType,
    RegistryAuthError,
    RegistryError,
    SchemaConflict,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema, SchemaReference
from llm_integrations.core.registry.confluent.contracts import (
    read_metadata,
    read_path_tags,
    read_rules,
)
from llm_integrations.core.registry.http.exchange import (
    HttpResponse,
    error_document,
    parse_schema,
    said_in,
    shorten,
)

__all__ = [
    "DEFAULT_CONTEXT",
    "NO_OWN_LEVEL",
    "SCHEMA_NOT_FOUND",
    "SOFT_DELETED",
    "SUBJECT_NOT_FOUND",
    "context_of",
    "error_code",
    "error_of",
    "is_missing_route",
    "local_name",
    "parse_body",
    "read_level",
    "read_mode",
    "read_schema",
]

DEFAULT_CONTEXT: Final = ":.:"
SUBJECT_NOT_FOUND: Final = 40401
SCHEMA_NOT_FOUND: Final = 40403
SOFT_DELETED: Final = (40404, 40406)
NO_OWN_LEVEL: Final = 40408
_CONTEXT: Final = re.compile("/contexts/([^/]+)/")  # a subject's slashes are encoded
_NOT_FOUND: Final = range(40400, 40500)
_UNSUPPORTED_REFERENCES: Final = 44302
_REFERENCED: Final = 42206
_BAD_LEVEL: Final = 42203
_READ_ONLY: Final = 42205


def error_code(response: HttpResponse) -> int | None:
    """The registry's own code, where the body has one."""
    code = error_document(response).get("error_code")
    return code if _is_integer(code) else None


def is_missing_route(response: HttpResponse) -> bool:
    """Whether the server has no such route: a 404 or 405 that speaks of no subject or schema."""
    return response.status in (404, 405) and error_code(response) not in _NOT_FOUND


def error_of(response: HttpResponse) -> RegistryError:
    """The error that a refusal (4xx) stands for."""
    code = error_code(response)
    text = f"{response.url} answered {code or response.status}: {_message(response)}"
    if response.status == 404:
        return SchemaNotFound(text)
    if code is not None and code in _ERRORS:
        return _ERRORS[code](text)
    if response.status == 409:
        return IncompatibleSchema(text)
    if response.status == 422:
        return InvalidSchema(text)
    return response.protocol_error(f"({_message(response)})")


_ERRORS: Final[Mapping[int, type[RegistryError]]] = {
    _UNSUPPORTED_REFERENCES: Unsupported,
    _REFERENCED: SchemaConflict,
    _READ_ONLY: RegistryAuthError,
    _BAD_LEVEL: Unsupported,
}


def _message(response: HttpResponse) -> str:
    return shorten(said_in(error_document(response)) or "no explanation")


def parse_body(text: Any, schema_type: Any, name: str) -> JsonSchema:
    """The JSON Schema in a registry's schema text.

    Raises:
        InvalidSchema: it is of another type (none given means Avro), or no JSON Schema.
    """
    kind = "AVRO" if schema_type is None else shorten(str(schema_type).upper())
    if kind != "JSON":
        raise OtherSchemaType(f"{name} is of type {kind}: only JSON Schemas can be judged by")
    return parse_schema(text if isinstance(text, str) else None, name)


def read_schema(
    document: Any, response: HttpResponse, *, asked: str | None = None, **known: Any
) -> RegisteredSchema:
    """A schema from any of the answers that hold one.

    Args:
        asked: the subject that was asked for, which the answer may leave out.
        known: what is known better than the answer says it.
    """
    if not isinstance(document, dict) or "schema" not in document:
        raise response.protocol_error("with something that is no schema")
    found = {**document, **known}
    if isinstance(found.get("subject"), str):
        found["subject"] = local_name(found["subject"], response.url)
    if asked is not None:
        if found.get("subject") not in (None, asked, local_name(asked, response.url)):
            raise response.protocol_error("with a schema of another subject")
        found["subject"] = asked
    schema_id, subject, version = (found.get(key) for key in ("id", "subject", "version"))
    name = f"schema id {schema_id}" if subject is None else f"{subject}@{version}"
    if not _is_integer(schema_id) or not (version is None or _is_integer(version)):
        raise response.protocol_error("with a schema that has no id or no version")
    return RegisteredSchema(
        id=schema_id,
        subject=subject,
        version=version,
        body=parse_body(document["schema"], document.get("schemaType"), name),
        references=_references(document.get("references"), response),
        metadata=read_metadata(document.get("metadata")),
        path_tags=read_path_tags(document.get("metadata")),
        rules=read_rules(document.get("ruleSet")),
    )


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def local_name(subject: str, url: str) -> str:
    """Without the context that the registry's URL names, or the default one.

    Servers write it in front of a subject, or leave it out.
    """
    return subject.removeprefix(context_of(url))


def context_of(url: str) -> str:
    """What stands in front of a subject of the context that a URL names, ``:.:`` by default."""
    named = _CONTEXT.search(f"{url}/")
    return DEFAULT_CONTEXT if named is None else f":{unquote(named[1]).strip(':')}:"


def _references(found: Any, response: HttpResponse) -> tuple[SchemaReference, ...]:
    try:
        return tuple(_reference(r["name"], r["subject"], r["version"]) for r in found or ())
    except (KeyError, TypeError, InvalidReference):
        raise response.protocol_error("with references without name, subject and version") from None


def _reference(name: object, subject: Any, version: Any) -> SchemaReference:
    if not isinstance(name, str):
        raise TypeError
    ref = SchemaRef(subject, version)
    return SchemaReference(name, ref.subject, ref.version)


def read_level(document: Any, response: HttpResponse) -> str:
    for key in ("compatibilityLevel", "compatibility"):
        if isinstance(document, dict) and isinstance(document.get(key), str):
            return shorten(document[key].upper(), 40)
    raise response.protocol_error("with no compatibility level")


def read_mode(document: Any, response: HttpResponse) -> str:
    if isinstance(document, dict) and isinstance(document.get("mode"), str):
        return shorten(document["mode"].upper(), 40)
    raise response.protocol_error("with no mode")
