"""Changing a Confluent-compatible registry: each operation a generator of requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llm_integrations.core.errors import (
    RegistryAuthError,
    RegistryError,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import ACTIVE, RegisteredSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.confluent.reads import (
    answer,
    ask,
    exact,
    find_equal,
    level,
    list_of,
    normalizing,
    own_level,
    payload,
    versions,
)
from llm_integrations.core.registry.confluent.replies import (
    SOFT_DELETED,
    error_code,
    error_of,
    is_missing_route,
)
from llm_integrations.core.registry.http.exchange import HttpRequest, HttpResponse, Operation, path
from llm_integrations.core.registry.local.ledger import check_level

__all__ = [
    "ask_compatibility",
    "delete",
    "delete_subject",
    "not_kept",
    "register",
    "reset_level",
    "set_level",
]

_log = get_logger(__name__)


def register(new: NewSchema) -> Operation[RegisteredSchema]:
    """Equal content returns the version that has it; the server checks compatibility."""
    if new.version is not None:
        raise Unsupported(
            "a Confluent-compatible registry numbers its versions itself: leave version out"
        )
    if new.state != ACTIVE:
        raise Unsupported(f"a Confluent-compatible registry has no state {new.state!r}")
    if new.compatibility is None:
        return (yield from _register(new))
    return (yield from _register_under(check_level(new.compatibility), new))


def _register_under(wanted: str, new: NewSchema) -> Operation[RegisteredSchema]:
    """With another level, which a refused registration must not leave behind."""
    before = yield from own_level(new.subject)
    if before == wanted:
        return (yield from _register(new))
    yield from set_level(wanted, new.subject)
    try:
        return (yield from _register(new))
    except RegistryError:
        yield from _put_back(before, new.subject)
        raise


def _put_back(before: str | None, subject: str) -> Operation[None]:
    try:
        if before is None:
            yield from ask(HttpRequest("DELETE", path("config", subject)))
        else:
            yield from set_level(before, subject)
    except RegistryError as error:
        _log.warning("compatibility level not put back: %s", error, extra={"llmi_subject": subject})


def _register(new: NewSchema) -> Operation[RegisteredSchema]:
    known = yield from find_equal(new.subject, new.body, new.references, normalize=new.normalize)
    if known is not None:
        return known
    response = yield from _post(new)
    if response.status == 404 and not is_missing_route(response):
        # So Karapace hides a subject from users who may only read it.
        raise RegistryAuthError(f"{response.url} answered 404: no right to register here")
    if response.status >= 400:
        raise error_of(response)
    document = response.json()
    if not isinstance(document, dict) or not isinstance(document.get("id"), int):
        raise response.protocol_error("to a registration without an id")
    registered = yield from find_equal(
        new.subject, new.body, new.references, normalize=new.normalize
    )
    if registered is None:
        raise response.protocol_error(f"with id {document['id']}, but has no such version")
    return registered


def _post(new: NewSchema) -> Operation[HttpResponse]:
    """Servers that know no metadata are sent none."""
    target = path("subjects", new.subject, "versions")
    request, query = payload(new.body, new.references), normalizing(new.normalize)
    if new.metadata:
        with_metadata = {**request, "metadata": {"properties": _properties(new.metadata)}}
        response = yield from ask(HttpRequest("POST", target, with_metadata, query))
        if response.status not in (400, 422) or b"metadata" not in response.body:
            return response
    return (yield from ask(HttpRequest("POST", target, request, query)))


def not_kept(metadata: Mapping[str, Any], found: RegisteredSchema) -> tuple[str, ...]:
    """What the registry did not keep of the metadata that it was given, in words."""
    kept = _properties(found.metadata)
    lost = [name for name, value in _properties(metadata).items() if kept.get(name) != value]
    if not lost:
        return ()
    names = ", ".join(sorted(lost))
    if not kept:
        return (f"the registry keeps no metadata, so {names} is not there",)
    return (f"{found} was there already with other metadata, so {names} is not as given",)


def _properties(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Text only, as the API wants it: tags joined by commas, anything else as JSON."""
    found = {}
    for key, value in metadata.items():
        if key == "tags" and not isinstance(value, str):
            found[key] = ",".join(str(tag) for tag in value)
        else:
            found[key] = value if isinstance(value, str) else json.dumps(value)
    return found


def set_level(wanted: str, subject: str | None) -> Operation[None]:
    target = "/config" if subject is None else path("config", subject)
    yield from answer(HttpRequest("PUT", target, {"compatibility": check_level(wanted)}))


def reset_level(subject: str) -> Operation[None]:
    """A subject without a level of its own is left as it is."""
    response = yield from ask(HttpRequest("DELETE", path("config", subject)))
    if response.status == 404 and not is_missing_route(response):
        return
    if is_missing_route(response):
        raise Unsupported(f"{response.url} answered {response.status}: it can reset no level")
    if response.status >= 400:
        raise error_of(response)


def ask_compatibility(
    new: NewSchema, wanted: str | None
) -> Operation[tuple[bool, tuple[str, ...]]]:
    """The server's verdict, under the level that it has for the subject."""
    configured = yield from level(new.subject)
    if wanted is not None and check_level(wanted) != configured:
        raise Unsupported(
            f"the server judges {new.subject!r} by {configured}, and not by {check_level(wanted)}"
        )
    request = payload(new.body, new.references)
    if configured.endswith("_TRANSITIVE"):
        return (yield from _against_all(new.subject, request))
    return (yield from _against(new.subject, "latest", request)) or (True, ())


def _against(
    subject: str, version: Version | None, request: Mapping[str, Any]
) -> Operation[tuple[bool, tuple[str, ...]] | None]:
    """One verdict; ``version`` None means all versions. None where there is nothing to ask."""
    segments = ("versions",) if version is None else ("versions", version)
    target = path("compatibility", "subjects", subject, *segments)
    response = yield from ask(HttpRequest("POST", target, request, query={"verbose": "true"}))
    if response.status == 404:
        return None
    if response.status >= 400:
        raise error_of(response)
    document = response.json()
    verdict = document.get("is_compatible") if isinstance(document, dict) else None
    if not isinstance(verdict, bool):
        raise response.protocol_error("with no verdict")
    return verdict, tuple(str(message) for message in document.get("messages") or ())


def _against_all(
    subject: str, request: Mapping[str, Any]
) -> Operation[tuple[bool, tuple[str, ...]]]:
    """In one request where the server has it, else one by one."""
    verdict = yield from _against(subject, None, request)
    if verdict is not None:
        return verdict
    try:
        every = yield from versions(subject, False)
    except SchemaNotFound:
        return True, ()
    messages: list[str] = []
    compatible = True
    for version in every:
        one = (yield from _against(subject, version, request)) or (True, ())
        compatible = compatible and one[0]
        messages.extend(message for message in one[1] if message not in messages)
    return compatible, tuple(messages)


def delete(ref: SchemaRef, permanent: bool) -> Operation[None]:
    """A permanent deletion is made of two requests: the API wants the soft one first."""
    yield from _delete(path("subjects", ref.subject, "versions", exact(ref)), permanent)


def delete_subject(subject: str, permanent: bool) -> Operation[list[Version]]:
    deleted, response = yield from _delete(path("subjects", subject), permanent)
    return list[Version](sorted(list_of(int, deleted, response)))


def _delete(target: str, permanent: bool) -> Operation[tuple[Any, HttpResponse]]:
    if not permanent:
        return (yield from answer(HttpRequest("DELETE", target)))
    response = yield from ask(HttpRequest("DELETE", target))
    if response.status >= 400 and error_code(response) not in SOFT_DELETED:
        raise error_of(response)
    return (yield from answer(HttpRequest("DELETE", target, query={"permanent": "true"})))
