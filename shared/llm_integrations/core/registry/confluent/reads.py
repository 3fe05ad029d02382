"""Reading from a Confluent-compatible registry: each operation a generator of requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import quote

from llm_integrations.core.errors import (
    InvalidSchema,
    RegistryError,
    RegistryProtocolError,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version, version_key
from llm_integrations.core.model.schema import (
    DELETED,
    JsonSchema,
    RegisteredSchema,
    SchemaReference,
    fingerprint_of,
)
from llm_integrations.core.registry.confluent.replies import (
    DEFAULT_CONTEXT,
    SUBJECT_NOT_FOUND,
    context_of,
    error_code,
    error_of,
    is_missing_route,
    local_name,
    read_level,
    read_mode,
    read_schema,
)
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    path,
    raise_for_refusal,
)

__all__ = [
    "answer",
    "ask",
    "exact",
    "find_equal",
    "get",
    "get_by_id",
    "get_deleted",
    "identity",
    "latest_with_metadata",
    "level",
    "list_of",
    "lookup",
    "mode",
    "normalizing",
    "number_of",
    "own_level",
    "payload",
    "ping",
    "referenced_by",
    "subjects",
    "versions",
]

T = TypeVar("T")

_HIGHEST: Final = 2**31 - 1
_PERHAPS_CUT_OFF: Final = 1_000  # Confluent's server cuts names off at 20,000, or as configured


def ask(request: HttpRequest) -> Operation[HttpResponse]:
    """The response, unless it means the same whatever was asked for."""
    response = yield request
    raise_for_refusal(response)
    return response


def answer(request: HttpRequest) -> Operation[tuple[Any, HttpResponse]]:
    """The JSON of a response that must be a success."""
    response = yield from ask(request)
    if response.status < 400:
        return response.json(), response
    if is_missing_route(response):
        raise (yield from _other_api(response))
    raise error_of(response)


def _other_api(response: HttpResponse) -> Operation[RegistryProtocolError]:
    """What to say about a server without a route that all registries of this kind have."""
    try:
        document = (yield HttpRequest("GET", "/health")).json()
    except RegistryError:
        document = None
    if isinstance(document, dict) and "components" in document:
        return response.protocol_error(
            "as an LLM Schema Registry does: write its URL with llm+http:// or llm+https://"
        )
    return response.protocol_error(
        "as no Confluent-compatible registry does: check the URL and its path "
        "(an LLM Schema Registry is written llm+http://)"
    )


def number_of(subject: str, version: Version) -> int:
    """The integer that a version means here, else SchemaNotFound."""
    major, *rest = version_key(version)
    if rest != [0, 0, 1, ()] or "+" in str(version) or not 1 <= major <= _HIGHEST:
        raise SchemaNotFound(f"{subject!r} has no version {version}: they are integers here")
    return major


def get(ref: SchemaRef) -> Operation[RegisteredSchema]:
    which = "latest" if ref.is_latest else number_of(ref.subject, ref.version)
    document, response = yield from answer(
        HttpRequest("GET", path("subjects", ref.subject, "versions", which))
    )
    return read_schema(document, response, asked=ref.subject)


def get_deleted(ref: SchemaRef) -> Operation[RegisteredSchema]:
    """The answer does not say whether it is deleted: that it is not shown otherwise does."""
    target = path("subjects", ref.subject, "versions", exact(ref))
    document, response = yield from answer(HttpRequest("GET", target, query={"deleted": "true"}))
    schema = read_schema(document, response, asked=ref.subject)
    shown = yield from ask(HttpRequest("GET", target))
    return schema if shown.status < 400 else replace(schema, state=DELETED)


def exact(ref: SchemaRef) -> int:
    if ref.is_latest:
        raise SchemaNotFound(f"name the exact version of {ref.subject!r}")
    return number_of(ref.subject, ref.version)


def referenced_by(ref: SchemaRef) -> Operation[list[SchemaId]]:
    target = path("subjects", ref.subject, "versions", exact(ref), "referencedby")
    document, response = yield from answer(HttpRequest("GET", target))
    return list[SchemaId](list_of(int, document, response))


def latest_with_metadata(
    subject: str, wanted: Mapping[str, Any]
) -> Operation[RegisteredSchema | None]:
    """None where the server cannot be asked for it."""
    pairs = [pair for key, value in wanted.items() for pair in (("key", key), ("value", value))]
    if not all(isinstance(value, str) for _, value in pairs):
        return None  # properties are texts there
    target = path("subjects", subject, "metadata")
    response = yield from ask(HttpRequest("GET", target, query=pairs))
    if response.status < 400:
        return read_schema(response.json(), response, asked=subject)
    if is_missing_route(response):
        return None
    raise error_of(response)


def mode(subject: str | None) -> Operation[str]:
    return (yield from _in_force("mode", subject, read_mode))


def level(subject: str | None) -> Operation[str]:
    """The level in force."""
    return (yield from _in_force("config", subject, read_level))


def _in_force(
    what: str, subject: str | None, read: Callable[[Any, HttpResponse], str]
) -> Operation[str]:
    """Not every server falls back to the global one by itself."""
    if subject is not None:
        query = {"defaultToGlobal": "true"}
        response = yield from ask(HttpRequest("GET", path(what, subject), query=query))
        if response.status < 400:
            return read(response.json(), response)
        if response.status != 404:
            raise error_of(response)
    document, response = yield from answer(HttpRequest("GET", path(what)))
    return read(document, response)


def get_by_id(schema_id: SchemaId) -> Operation[RegisteredSchema]:
    """``subject`` is None when the id belongs to none, or to several."""
    if not (isinstance(schema_id, int) or schema_id.isdecimal()):
        raise SchemaNotFound(f"no schema has the id {schema_id!r}: ids are integers here")
    number = int(schema_id)
    document, response = yield from answer(HttpRequest("GET", path("schemas", "ids", number)))
    if isinstance(document, dict) and document.get("id", number) != number:
        raise response.protocol_error("with a schema of another id")
    subject, version = yield from _home(number)
    return read_schema(document, response, id=number, subject=subject, version=version)


def _home(schema_id: int) -> Operation[tuple[str | None, int | None]]:
    response = yield from ask(HttpRequest("GET", path("schemas", "ids", schema_id, "versions")))
    if response.status >= 400:
        return None, None
    try:
        homes = [
            (local_name(str(home["subject"]), response.url), int(home["version"]))
            for home in response.json()
        ]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise response.protocol_error("with no list of subjects and versions") from None
    if len({subject for subject, _ in homes}) != 1:
        return None, None
    return max(homes, key=lambda home: home[1])


def subjects(deleted: bool) -> Operation[list[str]]:
    names, response = yield from _whole_list(str, "/subjects", deleted)
    return sorted(local_name(name, response.url) for name in names)


def versions(subject: str, deleted: bool) -> Operation[list[Version]]:
    target = path("subjects", subject, "versions")
    numbers, _ = yield from _whole_list(int, target, deleted)
    return list[Version](sorted(numbers))


def _whole_list(
    kind: type[T], target: str, deleted: bool
) -> Operation[tuple[set[T], HttpResponse]]:
    """Page by page where there are so many that the server may have cut them off.

    A server that knows no pages answers with the same again, and that was all.
    """
    also = {"deleted": "true"} if deleted else {}
    found: set[T] = set()
    offset = 0
    while True:
        query = {**also, "offset": str(offset)} if offset else also
        document, response = yield from answer(HttpRequest("GET", target, query=query))
        part = list_of(kind, document, response)
        new = set(part) - found
        found |= new
        offset += len(part)
        if len(part) < _PERHAPS_CUT_OFF or not new:
            return found, response


def list_of(kind: type[T], document: Any, response: HttpResponse) -> list[T]:
    if not isinstance(document, list) or not all(isinstance(item, kind) for item in document):
        raise response.protocol_error("with something that is no list of them")
    return document


def payload(body: JsonSchema, references: Iterable[SchemaReference] = ()) -> dict[str, Any]:
    """What every request with a schema holds. Keys are sorted, since servers compare the text."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    request: dict[str, Any] = {"schemaType": "JSON", "schema": text}
    referenced = [
        {"name": r.name, "subject": r.subject, "version": number_of(r.subject, r.version)}
        for r in references
    ]
    if referenced:
        request["references"] = referenced
    return request


def find_equal(
    subject: str,
    body: JsonSchema,
    references: tuple[SchemaReference, ...] = (),
    *,
    normalize: bool = False,
) -> Operation[RegisteredSchema | None]:
    """The version with this content, or None.

    The server compares texts, so the newest version is compared by content besides: it may have
    been registered with its keys in another order.
    """
    response = yield from ask(
        HttpRequest(
            "POST", path("subjects", subject), payload(body, references), normalizing(normalize)
        )
    )
    if response.status < 400:
        return read_schema(response.json(), response, asked=subject)
    if is_missing_route(response):
        raise (yield from _other_api(response))
    if response.status != 404:
        raise error_of(response)
    if error_code(response) == SUBJECT_NOT_FOUND:
        return None
    return (yield from _newest_if_equal(subject, body, references))


def normalizing(wanted: bool) -> dict[str, str]:
    return {"normalize": "true"} if wanted else {}


def lookup(
    subject: str, body: JsonSchema, *, normalize: bool = False
) -> Operation[RegisteredSchema]:
    found = yield from find_equal(subject, body, normalize=normalize)
    if found is None:
        raise SchemaNotFound(f"no version of {subject!r} has this content")
    return found


def _newest_if_equal(
    subject: str, body: JsonSchema, references: tuple[SchemaReference, ...]
) -> Operation[RegisteredSchema | None]:
    try:
        newest = yield from get(SchemaRef(subject))
    except (SchemaNotFound, InvalidSchema):
        return None
    same = newest.fingerprint == fingerprint_of(body)
    return newest if same and (not references or newest.references == references) else None


def own_level(subject: str) -> Operation[str | None]:
    """The subject's own level, if it has one."""
    response = yield from ask(HttpRequest("GET", path("config", subject)))
    if response.status == 404:
        return None
    if response.status >= 400:
        raise error_of(response)
    return read_level(response.json(), response)


def identity() -> Operation[str | None]:
    """Confluent's own servers name their Kafka cluster, and their group within it; the context
    is the URL's."""
    response = yield from ask(HttpRequest("GET", "/v1/metadata/id"))
    if response.status >= 400:
        return None
    document = response.json()
    scope = document.get("scope") if isinstance(document, dict) else None
    clusters = scope.get("clusters") if isinstance(scope, dict) else None
    if not isinstance(clusters, dict):
        return None
    named = (clusters.get("kafka-cluster"), clusters.get("schema-registry-cluster"))
    names = [quote(name, safe="") for name in named if isinstance(name, str) and name]
    context = context_of(response.url)  # in which a subject's name means another one
    also = [] if context == DEFAULT_CONTEXT else [quote(context, safe=":")]
    return f"confluent:{'/'.join([*names, *also])}" if names else None


def ping() -> Operation[dict[str, Any]]:
    document, response = yield from answer(HttpRequest("GET", "/schemas/types"))
    return {"url": response.url, "types": list_of(str, document, response)}
