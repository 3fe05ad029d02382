"""The operations on one group of Apicurio Registry: each a generator of requests.

A subject is an artifact of the group. Versions that are disabled there are what is deleted softly
elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from llm_integrations.core.errors import (
    OtherSchemaType,
    RegistryAuthError,
    RegistryProtocolError,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import (
    ACTIVE,
    DELETED,
    DEPRECATED,
    DRAFT,
    JsonSchema,
    RegisteredSchema,
    SchemaReference,
    fingerprint_of,
)
from llm_integrations.core.registry.apicurio.replies import (
    STATES,
    ApicurioVersion,
    error_of,
    labels_of,
    read_references,
    read_version,
)
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    parse_schema,
    path,
    raise_for_refusal,
    shorten,
)
from llm_integrations.core.registry.local.ledger import Entry, Ledger

__all__ = ["ApicurioGroup", "ledger_of", "named"]

_PAGE: Final = 500
_RULE: Final = "COMPATIBILITY"
_JSON: Final = {"artifactType": "JSON", "canonical": "true"}


@dataclass(frozen=True, slots=True)
class ApicurioGroup:
    """The operations on the group of this name."""

    name: str

    # -- reading ----------

    def get(self, ref: SchemaRef, *, deleted: bool = False) -> Operation[RegisteredSchema]:
        known = yield from self._known(ref.subject)
        ledger = ledger_of(ref.subject, known)
        entry = ledger.exact(ref, deleted=True) if deleted else ledger.find(ref)
        return (yield from self.schema(named(known, entry)))

    def get_by_id(self, global_id: int) -> Operation[RegisteredSchema]:
        query = {"globalId": str(global_id), "groupId": self.name}
        found = yield from _versions(path("search", "versions"), query)
        for version in found:
            if version.global_id == global_id and version.group == self.name and version.entry:
                return (yield from self.schema(version))
        raise SchemaNotFound(f"no schema of the group {self.name!r} has the id {global_id}")

    def schema(self, version: ApicurioVersion) -> Operation[RegisteredSchema]:
        """Its content, and what that refers to."""
        entry = version.entry
        assert entry is not None  # noqa: S101 - whoever asks has looked
        name = f"{version.subject}@{entry.version}"
        if version.kind != "JSON":
            raise OtherSchemaType(
                f"{name} is of type {version.kind}: only JSON Schemas can be judged by"
            )
        at = self._at(version.subject, "versions", version.name)
        response = yield from _ask("GET", f"{at}/content", query={"references": "PRESERVE"})
        body = parse_schema(response.body.decode("utf-8", "replace"), name)
        references: tuple[SchemaReference, ...] = ()
        if b'"$ref"' in response.body or b"\\u" in response.body:
            response = yield from _ask("GET", f"{at}/references")
            references = read_references(response.json(), self.name, response)
        return RegisteredSchema(
            version.global_id,
            version.subject,
            entry.version,
            body,
            references=references,
            state=entry.state,
            metadata=entry.metadata,
        )

    def listed(self, asked: int) -> Operation[tuple[list[ApicurioVersion], int]]:
        """A part of the group's versions, and how many there are."""
        at, query = path("search", "versions"), {"groupId": self.name}
        return (yield from _part(at, query, asked))

    def subjects(self, *, deleted: bool = False) -> Operation[list[str]]:
        """Those with a version, of whatever type."""
        found = yield from _versions(path("search", "versions"), {"groupId": self.name})
        return sorted(
            {
                version.subject
                for version in found
                if version.group == self.name and (deleted or _is_shown(version))
            }
        )

    def versions(self, subject: str, *, deleted: bool = False) -> Operation[list[Version]]:
        known = yield from self._known(subject)
        return ledger_of(subject, known).versions(deleted=deleted)

    def lookup(self, subject: str, body: JsonSchema) -> Operation[RegisteredSchema]:
        yield from self._known(subject)
        found = yield from self.equal(subject, body)
        if found is None:
            raise SchemaNotFound(f"no version of {subject!r} has this content")
        return found

    def equal(
        self,
        subject: str,
        body: JsonSchema,
        references: tuple[SchemaReference, ...] | None = None,
    ) -> Operation[RegisteredSchema | None]:
        """The newest live version with this content, whatever the order of its keys.

        ``references``: that it must have; None: any.
        """
        query = {**_JSON, "groupId": self.name, "artifactId": subject}
        found = yield from _versions(path("search", "versions"), query, post=body)
        ours = [version for version in found if version.subject == subject]
        wanted = fingerprint_of(body)
        for entry in reversed(ledger_of(subject, ours).live):
            schema = yield from self.schema(named(ours, entry))
            if schema.fingerprint == wanted and references in (None, schema.references):
                return schema
        return None

    def referenced_by(self, ref: SchemaRef) -> Operation[list[int]]:
        known = yield from self._known(ref.subject)
        entry = ledger_of(ref.subject, known).exact(ref, deleted=True)
        at = self._at(ref.subject, "versions", named(known, entry).name, "references")
        response = yield from _ask("GET", at, query={"refType": "INBOUND"})
        found: list[int] = []
        for one in read_references(response.json(), self.name, response):
            there = yield from self._known(one.subject)
            found += (v.global_id for v in there if v.entry and v.entry.version == one.version)
        return sorted(set(found))

    def _known(self, subject: str) -> Operation[list[ApicurioVersion]]:
        return (yield from _versions(self._at(subject, "versions"), {}))

    def history(self, subject: str) -> Operation[Ledger]:
        """The versions of a subject, which need not be there, and its own level."""
        try:
            known = yield from self._known(subject)
        except SchemaNotFound:
            return Ledger(subject)
        level = yield from self._own_level(self._at(subject))
        return replace(ledger_of(subject, known), compatibility=level)

    # -- writing ----------

    def register(self, new: NewSchema) -> Operation[RegisteredSchema]:
        """A version that has the content already is returned; the server numbers a new one."""
        first = {
            "content": {
                "content": json.dumps(new.body, sort_keys=True, ensure_ascii=False),
                "contentType": "application/json",
                "references": [self._reference(one) for one in new.references],
            },
            "labels": labels_of(new.metadata),
            **({} if new.version is None else {"version": str(new.version)}),
            **({"isDraft": True} if new.state == DRAFT else {}),
        }
        response = yield from _ask(
            "POST",
            self._at(),
            {"artifactId": new.subject, "artifactType": "JSON", "firstVersion": first},
            query={"ifExists": "FIND_OR_CREATE_VERSION", "canonical": "true"},
        )
        document = response.json()
        found = read_version(
            document.get("version") if isinstance(document, dict) else None, response
        )
        entry = found.entry
        if entry is None:
            raise response.protocol_error(f"with the version {found.name!r}, which has no order")
        if entry.state in (DELETED, DRAFT) and new.state != DRAFT:
            yield from self._set_state(found, ACTIVE)
            found = replace(found, entry=replace(entry, state=ACTIVE))
        if new.state == DEPRECATED:
            return (yield from self.deprecate(SchemaRef(new.subject, entry.version)))
        return (yield from self.schema(found))

    def _reference(self, one: SchemaReference) -> dict[str, Any]:
        return {
            "groupId": self.name,
            "artifactId": one.subject,
            "version": str(one.version),
            "name": one.name,
        }

    def deprecate(self, ref: SchemaRef) -> Operation[RegisteredSchema]:
        known = yield from self._known(ref.subject)
        entry = ledger_of(ref.subject, known).exact(ref)
        version = named(known, entry)
        yield from self._set_state(version, DEPRECATED)
        return (yield from self.schema(replace(version, entry=replace(entry, state=DEPRECATED))))

    def delete(self, ref: SchemaRef, *, permanent: bool) -> Operation[None]:
        known = yield from self._known(ref.subject)
        entry = ledger_of(ref.subject, known).exact(ref, deleted=permanent)
        version = named(known, entry)
        if permanent:
            yield from _ask("DELETE", self._at(ref.subject, "versions", version.name))
        else:
            yield from self._set_state(version, DELETED)

    def delete_subject(self, subject: str, *, permanent: bool) -> Operation[list[Version]]:
        known = yield from self._known(subject)
        ledger = ledger_of(subject, known)
        versions = ledger.versions(deleted=permanent)
        if permanent:
            yield from _ask("DELETE", self._at(subject))
            return versions
        for entry in ledger.live:
            yield from self._set_state(named(known, entry), DELETED)
        return versions

    def _set_state(self, version: ApicurioVersion, state: str) -> Operation[None]:
        at = self._at(version.subject, "versions", version.name, "state")
        yield from _ask("PUT", at, {"state": STATES[state]})

    # -- levels ----------

    def level(self, subject: str | None) -> Operation[str]:
        """The rule in force: the subject's, the group's, the registry's, in this order."""
        places = [path("groups", self.name), "/admin"]
        if subject is not None:
            yield from self._known(subject)
            places.insert(0, self._at(subject))
        for place in places:
            try:
                found = yield from self._own_level(place)
            except RegistryAuthError:  # the registry's own rules are for its administrators
                found = None
            if found is not None:
                return found
        return "NONE"

    def _own_level(self, place: str) -> Operation[str | None]:
        try:
            response = yield from _ask("GET", f"{place}/rules/{_RULE}")
        except SchemaNotFound:
            return None
        document = response.json()
        if not isinstance(document, dict) or not isinstance(document.get("config"), str):
            raise response.protocol_error("with no compatibility level")
        return str(document["config"]).upper()

    def set_level(self, level: str, subject: str | None) -> Operation[None]:
        place = self._at(subject) if subject is not None else path("groups", self.name)
        rule = {"ruleType": _RULE, "config": level}
        try:
            yield from _ask("PUT", f"{place}/rules/{_RULE}", rule)
        except SchemaNotFound:
            yield from _ask("POST", f"{place}/rules", rule)

    def reset_level(self, subject: str) -> Operation[None]:
        yield from self._known(subject)
        try:
            yield from _ask("DELETE", f"{self._at(subject)}/rules/{_RULE}")
        except SchemaNotFound:
            return

    def ping(self) -> Operation[dict[str, Any]]:
        response = yield from _ask("GET", path("system", "info"))
        document = response.json()
        if not isinstance(document, dict) or "version" not in document:
            raise response.protocol_error("as no Apicurio Registry of version 3 does")
        return {"version": document["version"]}

    def _at(self, *segments: str) -> str:
        return path("groups", self.name, "artifacts", *segments)


def _versions(
    at: str, query: Mapping[str, str], *, post: JsonSchema | None = None
) -> Operation[list[ApicurioVersion]]:
    """All of a list, page by page; each version once, whatever is written meanwhile."""
    found: dict[int, ApicurioVersion] = {}
    asked = 0
    while True:
        part, total = yield from _part(at, query, asked, post)
        found.update((version.global_id, version) for version in part)
        asked += len(part)
        if not part or asked >= total:
            return list(found.values())


def _part(
    at: str, query: Mapping[str, str], asked: int, post: JsonSchema | None = None
) -> Operation[tuple[list[ApicurioVersion], int]]:
    place = {"limit": str(_PAGE), "offset": str(asked), "orderby": "globalId", "order": "asc"}
    method = "GET" if post is None else "POST"
    response = yield from _ask(method, at, post, query={**query, **place})
    document = response.json()
    rows = document.get("versions") if isinstance(document, dict) else None
    total = document.get("count") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not isinstance(total, int):
        raise response.protocol_error("with no list of versions")
    return [read_version(row, response) for row in rows], total


def _ask(
    method: str, at: str, body: Any = None, *, query: Mapping[str, str] | None = None
) -> Operation[HttpResponse]:
    response = yield HttpRequest(method, at, body, query=query or {})
    raise_for_refusal(response)
    if response.status >= 400:
        raise error_of(response)
    return response


def ledger_of(subject: str, known: Sequence[ApicurioVersion]) -> Ledger:
    if known and not any(version.entry for version in known):
        raise RegistryProtocolError(
            f"the versions of {subject!r} have no order: integers and semantic versions have one, "
            f"{shorten(known[0].name, 60)!r} has none"
        )
    return Ledger.of(subject, (v.entry for v in known if v.entry is not None), None)


def named(known: Sequence[ApicurioVersion], entry: Entry) -> ApicurioVersion:
    return next(v for v in known if v.entry is not None and v.entry.version == entry.version)


def _is_shown(version: ApicurioVersion) -> bool:
    return version.entry is None or version.entry.is_live
