"""A Confluent-compatible registry in memory, on a socket.

It answers as the recorded Karapace does (a test replays the recordings against it), or, asked for
``flavour="confluent"``, with what Confluent's own server has besides: references and metadata for
JSON Schemas, a compatibility check against all versions, and its own answer to unknown routes.
"""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NoReturn
from urllib.parse import parse_qsl, quote, urlencode

from tests.support.http_server import HttpServer, Reply, Request

__all__ = ["ConfluentServer"]

_TYPE = "application/vnd.schemaregistry.v1+json"
_LEVELS = {
    "NONE",
    *(a + b for a in ("BACKWARD", "FORWARD", "FULL") for b in ("", "_TRANSITIVE")),
}


@dataclass
class _Version:
    number: int
    id: int
    text: str
    kind: str
    references: list[dict[str, Any]]
    metadata: Any = None
    deleted: bool = False
    rules: Any = None

    def document(self, subject: str) -> dict[str, Any]:
        found: dict[str, Any] = {"subject": subject, "version": self.number, "id": self.id}
        return {**found, **self.content()}

    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = {"schema": self.text}
        if self.kind != "AVRO":
            found["schemaType"] = self.kind
        if self.references:
            found["references"] = self.references
        if self.metadata is not None:
            found["metadata"] = self.metadata
        if self.rules is not None:
            found["ruleSet"] = self.rules
        return found

    def same(self, other: _Version) -> bool:
        return (self.text, self.kind, self.references) == (
            other.text,
            other.kind,
            other.references,
        )


@dataclass
class _Subject:
    versions: dict[int, _Version] = field(default_factory=dict)

    def shown(self, deleted: bool = False) -> dict[int, _Version]:
        return {n: v for n, v in self.versions.items() if deleted or not v.deleted}


class _Refusal(Exception):
    def __init__(self, status: int, code: int | None, message: str) -> None:
        super().__init__(message)
        body = {"message": message} if code is None else {"error_code": code, "message": message}
        self.reply = Reply(status, body)


class ConfluentServer(HttpServer):
    """``users`` maps "name:password" to the rights "rw" or "r"; ``token`` is a bearer token.

    ``schemas_at_once`` and ``names_at_once`` are the defaults and maxima of Confluent's pages;
    without ``lists`` there is no list of schemas, as in Apicurio's API of this kind.
    """

    def __init__(
        self,
        *,
        flavour: Literal["karapace", "confluent"] = "karapace",
        users: dict[str, str] | None = None,
        token: str | None = None,
        context: ssl.SSLContext | None = None,
        schemas_at_once: int = 1_000,
        names_at_once: int = 20_000,
        lists: bool = True,
    ) -> None:
        super().__init__(context=context)
        self._schemas_at_once = schemas_at_once
        self._names_at_once = names_at_once
        self._lists = lists
        self._confluent = flavour == "confluent"
        self._users = users or {}
        self._token = token
        self._subjects: dict[str, _Subject] = {}
        self._ids: dict[str, list[_Version]] = {}  # by context
        self._level = "BACKWARD"
        self._levels: dict[str, str] = {}
        self.cluster: str | None = None
        self.mode = "READWRITE"

    def add(self, subject: str, schema: Any, kind: str = "JSON", **more: Any) -> int:
        """Register behind the clients' backs, unchecked; ``schema`` may be text. Returns the id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        with self._lock:
            return self._keep(subject, self._version(text, kind, **more))

    def forget(self, subject: str) -> None:
        """As if it had never been there."""
        with self._lock:
            self._subjects.pop(subject, None)

    def handle(self, request: Request) -> Reply:
        if self._confluent:
            request = _in_context(request)
        try:
            self._check_headers(request)
            rights = self._rights(request)
            reply = self._route(request, rights)
        except _Refusal as refusal:
            reply = refusal.reply
        if isinstance(reply.body, bytes | str):
            return Reply(reply.status, reply.raw, {"Content-Type": "application/json"})
        return Reply(reply.status, reply.body, {"Content-Type": _TYPE})

    def _check_headers(self, request: Request) -> None:
        accepted = request.headers.get("accept", _TYPE).replace(" ", "").split(",")
        if not {_TYPE, "*/*", "application/json"} & {one.partition(";")[0] for one in accepted}:
            raise _Refusal(406, None, "HTTP 406 Not Acceptable")
        if request.body and request.headers.get("content-type") not in (_TYPE, "application/json"):
            raise _Refusal(415, None, "HTTP 415 Unsupported Media Type")

    def _rights(self, request: Request) -> str:
        if not self._users and self._token is None:
            return "rw"
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and self._token is not None and value == self._token:
            return "rw"
        if scheme == "Basic":
            rights = self._users.get(base64.b64decode(value).decode())
            if rights is not None:
                return rights
        raise _Refusal(401, None, "Unauthorized")

    def _route(self, request: Request, rights: str) -> Reply:
        deleted = request.query.get("deleted") == "true"
        match request.method, request.segments:
            case "GET", []:
                return Reply(200, b"{}")
            case "GET", ["subjects"]:
                names = [n for n, s in self._within(request).items() if s.shown(deleted)]
                return Reply(200, self._page(names, self._names_at_once, request))
            case _, ["subjects", subject, *rest]:
                return self._subject_route(request, subject, rest, rights)
            case "GET", ["schemas", *rest]:
                return self._schemas_route(request, rest, deleted)
            case _, ["config", *rest] if len(rest) <= 1:
                return self._config(request, rest[0] if rest else None)
            case "POST", ["compatibility", "subjects", subject, "versions", *rest]:
                return self._compatibility(request, subject, rest)
            case "GET", ["mode", *rest]:
                return Reply(200, {"mode": self._mode_of(request, *rest)})
            case _, ["mode", *_]:
                return self._no_route(405)
            case method, ["subjects"] if method != "GET":
                return Reply(405, "Method Not Allowed")
        return self._identity(request.segments)

    def _identity(self, segments: list[str]) -> Reply:
        if self.cluster is None or segments != ["v1", "metadata", "id"]:
            return self._no_route()
        clusters = {"kafka-cluster": self.cluster, "schema-registry-cluster": "sr"}
        return Reply(200, {"scope": {"path": [], "clusters": clusters}})

    def _mode_of(self, request: Request, subject: str | None = None) -> str:
        if subject is not None and self._confluent and not _defaults(request):
            raise _Refusal(404, 40409, f"Subject '{subject}' has no mode of its own")
        return self.mode

    def _schemas_route(self, request: Request, rest: list[str], deleted: bool) -> Reply:
        match rest:
            case [] if self._lists:
                latest_only = request.query.get("latestOnly") == "true"
                listing = self._listing(self._within(request), latest_only, deleted)
                return Reply(200, self._page(listing, self._schemas_at_once, request))
            case ["types"]:
                return Reply(200, ["JSON", "AVRO", "PROTOBUF"])
            case ["ids", number, *more]:
                return self._by_id(int(number), more, request)
        return self._no_route()

    def _page(self, every: list[Any], most: int, request: Request) -> list[Any]:
        """As Confluent's normalizeLimit has it: a limit above the most means the default."""
        if not self._confluent:
            return every
        limit = int(request.query.get("limit", "-1"))
        start = int(request.query.get("offset", "0"))
        return every[start : start + (limit if 0 < limit <= most else most)]

    def _no_route(self, status: int = 404) -> Reply:
        text = {404: "Not Found", 405: "Method Not Allowed"}[status]
        if not self._confluent:
            return Reply(status, text)
        return Reply(status, {"error_code": status, "message": f"HTTP {status} {text}"})

    def _subject_route(self, request: Request, subject: str, rest: list[str], rights: str) -> Reply:
        query = request.query
        match request.method, rest:
            case "POST", ["versions"]:
                return Reply(200, {"id": self._register(subject, request, rights)})
            case "POST", []:
                return Reply(200, self._lookup(subject, request))
            case "GET", ["versions"]:
                deleted = query.get("deleted") == "true"
                numbers = list(self._known(subject, deleted).shown(deleted))
                return Reply(200, self._page(numbers, self._names_at_once, request))
            case "GET", ["versions", number]:
                found = self._find(subject, number, query.get("deleted") == "true")
                return Reply(200, found.document(subject))
            case "GET", ["metadata"] if self._confluent:
                return Reply(200, self._with_metadata(subject, request).document(subject))
            case "GET", ["versions", number, "schema"]:
                return Reply(200, json.loads(self._find(subject, number).text))
            case "GET", ["versions", number, "referencedby"]:
                return Reply(200, self._referencing(subject, self._find(subject, number).number))
            case "DELETE", ["versions", number]:
                permanent = query.get("permanent") == "true"
                return Reply(200, self._delete_version(subject, number, permanent))
            case "DELETE", []:
                return Reply(200, self._delete(subject, query.get("permanent") == "true"))
        return self._no_route()

    def _known(self, name: str, deleted: bool = False) -> _Subject:
        subject = self._subjects.get(name)
        if subject is None or not subject.shown(deleted):
            raise _Refusal(404, 40401, f"Subject '{name}' not found.")
        return subject

    def _find(self, name: str, number: str, deleted: bool = False) -> _Version:
        if number not in ("latest", "-1") and not (number.isdecimal() and int(number) >= 1):
            raise _Refusal(
                422,
                42202,
                f"The specified version '{number}' is not a valid version id. "
                'Allowed values are between [1, 2^31-1] and the string "latest"',
            )
        shown = self._known(name, deleted).shown(deleted)
        wanted = max(shown) if number in ("latest", "-1") else int(number)
        if wanted not in shown:
            raise _Refusal(404, 40402, f"Version {number} not found.")
        return shown[wanted]

    def _with_metadata(self, name: str, request: Request) -> _Version:
        given = parse_qsl(request.target.partition("?")[2])
        keys = [value for key, value in given if key == "key"]
        values = [value for key, value in given if key == "value"]
        wanted = dict(zip(keys, values, strict=True)).items()
        for version in reversed(self._known(name).shown().values()):
            if wanted <= ((version.metadata or {}).get("properties") or {}).items():
                return version
        raise _Refusal(404, 40402, "Version not found.")

    def _version(
        self,
        text: str,
        kind: str,
        references: list[dict[str, Any]] | None = None,
        metadata: Any = None,
        rules: Any = None,
    ) -> _Version:
        return _Version(0, 0, text, kind, references or [], metadata, rules=rules)

    def _asked(self, request: Request) -> _Version:
        """The schema in a request, refused as Karapace refuses it."""
        body = self._document(request)
        kind = body.get("schemaType", "AVRO")
        if kind not in ("AVRO", "JSON", "PROTOBUF"):
            expected = "'AVRO', 'JSON' or 'PROTOBUF'"
            message = f"Input should be {expected}"
            _invalid("enum", ["body", "schemaType"], message, kind, ctx={"expected": expected})
        if "schema" not in body:
            _invalid("missing", ["body", "schema"], "Field required", body)
        references = body.get("references") or []
        if kind == "JSON" and references and not self._confluent:
            raise _Refusal(422, 44302, "Schema references are not supported for 'JSON' schema type")
        self._check_references(references, kind, body["schema"])
        text = self._normalised(body["schema"], kind)
        if request.query.get("normalize") == "true":
            text = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
        metadata = body.get("metadata") if self._confluent else None
        rules = body.get("ruleSet") if self._confluent else None
        return self._version(text, kind, references, metadata, rules)

    def _document(self, request: Request) -> dict[str, Any]:
        try:
            body = request.json()
        except ValueError:
            reason = {"error": "Expecting property name enclosed in double quotes"}
            _invalid("json_invalid", ["body", 1], "JSON decode error", {}, ctx=reason)
        return dict(body) if isinstance(body, dict) else {}

    def _normalised(self, text: str, kind: str) -> str:
        try:
            content = json.loads(text)
        except ValueError:
            raise _Refusal(
                422,
                42201,
                f"Invalid {kind} schema. Error: unexpected character, expected a string key: "
                "line 1 column 2 (char 1)",
            ) from None
        if kind == "JSON" and isinstance(content, dict) and content.get("type") == "nonsense":
            raise _Refusal(
                422,
                42201,
                f"Invalid JSON schema. Error: Invalid schema {text} with refs None "
                "of type SchemaType.JSONSCHEMA",
            )
        if self._confluent:
            return text
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    def _check_references(self, references: list[dict[str, Any]], kind: str, text: str) -> None:
        for reference in references:
            try:
                self._find(reference["subject"], str(reference["version"]))
            except _Refusal:
                refs = ", ".join(
                    f"{{name='{r['name']}', subject='{r['subject']}', version={r['version']}}}"
                    for r in references
                )
                raise _Refusal(
                    422,
                    42201,
                    f"Invalid {kind} schema. Error: Invalid schema {text} with refs [{refs}] "
                    f"of type SchemaType.{kind}",
                ) from None

    def _register(self, name: str, request: Request, rights: str) -> int:
        if "w" not in rights:
            raise _Refusal(404, 40401, f"Subject '{name}' not found.")
        asked = self._asked(request)
        subject = self._subjects.get(name, _Subject())
        for version in subject.shown().values():
            if version.same(asked):
                return version.id
        level = self._levels.get(name, self._level)
        live = list(subject.shown().values())
        against = live if level.endswith("_TRANSITIVE") else live[-1:]
        messages = [m for v in against for m in _incompatible(v.text, asked.text)]
        if level != "NONE" and messages:
            raise _Refusal(
                409,
                409,
                f"Incompatible schema, compatibility_mode={level}. "
                f"Incompatibilities: {', '.join(messages)}",
            )
        return self._keep(name, asked)

    def _keep(self, name: str, version: _Version) -> int:
        """Equal content has one id in all subjects, even after its deletion."""
        ids = self._ids.setdefault(_context(name), [])
        known = next((v for v in ids if v.same(version)), None)
        version.id = known.id if known else len(ids) + 1
        if known is None:
            ids.append(version)
        subject = self._subjects.setdefault(name, _Subject())
        version.number = max(subject.versions, default=0) + 1
        subject.versions[version.number] = version
        return version.id

    def _lookup(self, name: str, request: Request) -> dict[str, Any]:
        asked = self._asked(request)
        for version in self._known(name).shown().values():
            if version.same(asked):
                return version.document(name)
        raise _Refusal(404, 40403, "Schema not found")

    def _by_id(self, number: int, rest: list[str], request: Request) -> Reply:
        context = _context(request.query.get("subject", ""))
        ids = self._ids.get(context, [])
        found = next((v for v in ids if v.id == number), None)
        homes = self._homes(number, context)
        if rest == ["versions"]:
            return Reply(200, homes)
        if rest == ["subjects"] and self._confluent:
            return Reply(200, [home["subject"] for home in homes])
        if rest:
            return self._no_route()
        if found is None:
            raise _Refusal(404, 40403, "Schema not found")
        content = found.content()
        if request.query.get("fetchMaxId") == "true":
            content["maxId"] = len(ids)
        return Reply(200, content)

    def _homes(self, number: int, context: str) -> list[dict[str, Any]]:
        return [
            {"subject": name, "version": version.number}
            for name, subject in self._subjects.items()
            for version in subject.shown().values()
            if version.id == number and _context(name) == context
        ]

    def _within(self, request: Request) -> dict[str, _Subject]:
        prefix = request.query.get("subjectPrefix", "") if self._confluent else ""
        return {n: s for n, s in self._subjects.items() if n.startswith(prefix)}

    def _listing(
        self, subjects: dict[str, _Subject], latest_only: bool, deleted: bool
    ) -> list[dict[str, Any]]:
        return [
            {"references": None, **version.document(name), "schemaType": version.kind}
            for name, subject in subjects.items()
            for version in self._listed(subject, latest_only, deleted)
        ]

    def _listed(self, subject: _Subject, latest_only: bool, deleted: bool) -> list[_Version]:
        start = -1 if latest_only else 0
        if self._confluent:
            return list(subject.shown(deleted).values())[start:]
        # Karapace takes the flag the other way round, and looks at it last.
        listed = list(subject.versions.values())[start:]
        return [version for version in listed if not (deleted and version.deleted)]

    def _config(self, request: Request, name: str | None) -> Reply:
        match request.method, name:
            case "GET", None:
                return Reply(200, {"compatibilityLevel": self._level})
            case "GET", str() as subject:
                return Reply(200, {"compatibilityLevel": self._own_level(subject, request)})
            case "PUT", _:
                return Reply(200, {"compatibility": self._set_level(request, name)})
            case "DELETE", str() as subject:
                self._levels.pop(subject, None)
                return Reply(200, {"compatibility": self._level})
        return self._no_route(405)

    def _own_level(self, name: str, request: Request) -> str:
        level = self._levels.get(name)
        if level is not None:
            return level
        if name not in self._subjects and not self._confluent:
            raise _Refusal(404, 40401, f"Subject '{name}' not found.")
        if request.query.get("defaultToGlobal") == "true":
            return self._level
        raise _Refusal(
            404,
            40408,
            f"Subject '{name}' does not have subject-level compatibility configured",
        )

    def _set_level(self, request: Request, name: str | None) -> str:
        level = str(request.json().get("compatibility"))
        if level not in _LEVELS:
            raise _Refusal(422, 42203, "Invalid compatibility level")
        if name is None:
            self._level = level
        else:
            self._levels[name] = level
        return level

    def _compatibility(self, request: Request, name: str, rest: list[str]) -> Reply:
        if not rest and not self._confluent:
            return self._no_route()
        asked = self._asked(request)
        try:
            shown = self._known(name).shown()
        except _Refusal:
            raise _Refusal(404, 40402, "Version -1 not found.") from None
        versions = [self._find(name, rest[0])] if rest else list(shown.values())
        messages = [m for v in versions for m in _incompatible(v.text, asked.text)]
        if self._levels.get(name, self._level) == "NONE" or not messages:
            return Reply(200, {"is_compatible": True})
        return Reply(200, {"is_compatible": False, "messages": messages})

    def _referencing(self, name: str, number: int) -> list[int]:
        return [
            version.id
            for subject in self._subjects.values()
            for version in subject.shown().values()
            for r in version.references
            if (r["subject"], r["version"]) == (name, number)
        ]

    def _delete_version(self, name: str, number: str, permanent: bool) -> int:
        version = self._find(name, number, deleted=True)
        if self._referencing(name, version.number):
            raise _Refusal(
                422,
                42206,
                "One or more references exist to the schema "
                f"{{magic=1,keytype=SCHEMA,subject={name},version={version.number}}}.",
            )
        if permanent != version.deleted:
            code, ending = (
                (40407, "was not deleted first before being permanently deleted")
                if permanent
                else (40406, "was soft deleted. Set permanent=true to delete permanently")
            )
            raise _Refusal(404, code, f"Subject '{name}' Version {version.number} {ending}")
        if permanent:
            del self._subjects[name].versions[version.number]
        version.deleted = True
        return version.number

    def _delete(self, name: str, permanent: bool) -> list[int]:
        subject = self._known(name, deleted=True)
        live = list(subject.shown())
        if permanent and live:
            raise _Refusal(
                404,
                40405,
                f"Subject '{name}' was not deleted first before being permanently deleted",
            )
        if permanent:
            return list(self._subjects.pop(name).versions)
        if not live:
            raise _Refusal(
                404,
                40404,
                f"Subject '{name}' was soft deleted.Set permanent=true to delete permanently",
            )
        for number in live:
            subject.versions[number].deleted = True
        return live


def _defaults(request: Request) -> bool:
    return request.query.get("defaultToGlobal") == "true"


def _context(subject: str) -> str:
    """``.ctx`` of ``:.ctx:subject``."""
    return subject.split(":")[1] if subject.startswith(":") else "."


def _in_context(request: Request) -> Request:
    """What Confluent's server makes of a URL below ``/contexts/<context>``."""
    match request.segments:
        case ["contexts", context, *rest]:
            pass
        case _:  # the default context's name says nothing
            return replace(request, target=request.target.replace("%3A.%3A", ""))
    prefix = f":{context.strip(':')}:"
    query = dict(request.query)
    match rest:
        case ["subjects"] | ["schemas"]:
            query["subjectPrefix"] = prefix
        case ["subjects" | "config" | "mode", name, *more]:
            rest = [rest[0], name if name.startswith(":") else prefix + name, *more]
        case ["compatibility", "subjects", name, *more]:
            rest = [*rest[:2], name if name.startswith(":") else prefix + name, *more]
        case ["config" | "mode"]:
            rest = [rest[0], prefix]
        case ["schemas", "ids", *_]:
            query["subject"] = prefix
    path = "/".join(quote(segment, safe="") for segment in rest).replace("%3A.%3A", "")
    return replace(request, target=f"/{path}?{urlencode(query)}" if query else f"/{path}")


def _invalid(kind: str, loc: list[Any], message: str, given: Any, **more: Any) -> NoReturn:
    refusal = _Refusal(422, 422, message)
    detail = {"type": kind, "loc": loc, "msg": message, "input": given, **more}
    refusal.reply = Reply(422, {"error_code": 422, "message": [detail]})
    raise refusal


def _incompatible(old: str, new: str) -> list[str]:
    """Enough of a check for tests: a property that changed its type, or a model that was closed."""
    before, after = json.loads(old), json.loads(new)
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    types = {name: part.get("type") for name, part in before.get("properties", {}).items()}
    messages = [
        f"type Instance.{part['type'].upper()} is not compatible "
        f"with type Instance.{types[name].upper()}"
        for name, part in after.get("properties", {}).items()
        if types.get(name) and part.get("type") and part["type"] != types[name]
    ]
    if after.get("additionalProperties") is False and "additionalProperties" not in before:
        messages.append("additionalProperties instroduced")
    return messages
