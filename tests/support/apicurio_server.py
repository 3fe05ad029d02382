"""A server that answers as Apicurio Registry's API of version 3 does.

By its OpenAPI document (3.3) and, where that is silent, its source: a disabled version shows its
metadata and no content, lists hold every state, a rule that is broken is a 400 with its causes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import HttpServer, Reply, Request

__all__ = ["ApicurioServer"]

_MOST: int = 50  # in one answer, whatever was asked for
_API = ["apis", "registry", "v3"]


class _Problem(Exception):
    def __init__(self, status: int, name: str, title: str, **more: Any) -> None:
        super().__init__(title)
        body = {"status": status, "name": name, "title": title, "detail": title, **more}
        self.reply = Reply(status, body, {"Content-Type": "application/json"})


def _not_found(kind: str) -> _Problem:
    return _Problem(404, f"{kind}NotFoundException", f"No {kind.lower()} was found.")


@dataclass
class _Version:
    group: str
    artifact: str
    version: str
    number: int
    kind: str
    content: str
    references: list[dict[str, Any]]
    labels: dict[str, str]
    state: str

    def metadata(self) -> dict[str, Any]:
        return {
            "groupId": self.group,
            "artifactId": self.artifact,
            "version": self.version,
            "globalId": self.number,
            "contentId": self.number,
            "artifactType": self.kind,
            "state": self.state,
            "labels": self.labels,
            "owner": "admin",
            "createdOn": "2026-01-01T00:00:00Z",
        }


@dataclass
class ApicurioServer(HttpServer):
    """``breaks`` says whether new content breaks a level, given what was the newest content."""

    breaks: Callable[[Any, Any], bool] = lambda old, new: False
    deletes_versions: bool = True
    admits_admin: bool = True
    rules: dict[tuple[str, ...], str] = field(default_factory=dict)
    held: list[_Version] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def put(self, artifact: str, content: Any, version: str | None = None, **more: Any) -> None:
        """Add a version by hand, in the default group."""
        found = self._of("default", artifact)
        known = {"group": "default", "kind": "JSON", "references": [], "labels": {}} | more
        text = content if isinstance(content, str) else json.dumps(content)
        self.held.append(
            _Version(
                artifact=artifact,
                version=version or str(len(found) + 1),
                number=len(self.held) + 1,
                content=text,
                state=known.pop("state", "ENABLED"),
                **known,
            )
        )

    def handle(self, request: Request) -> Reply:
        try:
            segments = request.segments
            if segments[:3] != _API:
                return Reply(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})
            return self._route(request, segments[3:])
        except _Problem as problem:
            return problem.reply

    def _route(self, request: Request, segments: list[str]) -> Reply:
        match [request.method, *segments]:
            case ["GET", "system", "info"]:
                return _ok({"name": "Apicurio Registry", "version": "3.3.0"})
            case ["GET", "search", "versions"]:
                return self._page(request, self._searched(request))
            case ["POST", "search", "versions"]:
                same = _canonical(request.body.decode())
                found = [v for v in self._searched(request) if _canonical(v.content) == same]
                return self._page(request, found)
            case [method, *place, "rules"] | [method, *place, "rules", "COMPATIBILITY"]:
                return self._rule(method, request, tuple(place))
            case ["POST", "groups", group, "artifacts"]:
                return self._create(request, group)
            case ["DELETE", "groups", group, "artifacts", artifact]:
                self._known(group, artifact)
                self.held = [v for v in self.held if (v.group, v.artifact) != (group, artifact)]
                return Reply(204)
            case ["GET", "groups", group, "artifacts", artifact, "versions"]:
                return self._page(request, self._known(group, artifact))
            case [method, "groups", group, "artifacts", artifact, "versions", name, *rest]:
                return self._version(method, request, self._named(group, artifact, name), rest)
        raise _Problem(405, "NotAllowedException", "method not allowed")

    def _version(self, method: str, request: Request, version: _Version, rest: list[str]) -> Reply:
        match [method, *rest]:
            case ["GET", "content"]:
                if version.state == "DISABLED":
                    raise _not_found("Version")
                return Reply(200, version.content.encode(), {"Content-Type": "application/json"})
            case ["GET", "references"]:
                if request.query.get("refType") == "INBOUND":
                    return _ok(list(self._inbound(version)))
                return _ok(version.references)
            case ["PUT", "state"]:
                version.state = request.json()["state"]
                return Reply(204)
            case ["DELETE"] if self.deletes_versions:
                self.held.remove(version)
                return Reply(204)
        raise _Problem(409, "NotAllowedException", "this feature is disabled")

    def _inbound(self, version: _Version) -> Iterator[dict[str, Any]]:
        for other in self.held:
            for one in other.references:
                if (one["artifactId"], one["version"]) == (version.artifact, version.version):
                    known = {"groupId": other.group, "artifactId": other.artifact}
                    yield {**known, "version": other.version, "name": one["name"]}

    def _create(self, request: Request, group: str) -> Reply:
        asked = request.json()
        artifact, first = asked["artifactId"], asked["firstVersion"]
        content, references = first["content"]["content"], first["content"].get("references", [])
        found = self._of(group, artifact)
        if found and request.query.get("ifExists") != "FIND_OR_CREATE_VERSION":
            raise _Problem(409, "ArtifactAlreadyExistsException", "it exists")
        for version in found:
            same = _canonical(version.content) == _canonical(content)
            if same and version.references == references:
                return self._created(version)
        self._apply_rules(group, artifact, found, content)
        name = first.get("version") or str(len(found) + 1)
        if any(version.version == name for version in found):
            raise _Problem(409, "VersionAlreadyExistsException", f"version {name} exists")
        for one in references:
            self._named(one.get("groupId", "default"), one["artifactId"], one["version"])
        draft, labels = first.get("isDraft"), first.get("labels") or {}
        self.put(
            artifact,
            content,
            name,
            group=group,
            kind=asked["artifactType"],
            references=references,
            labels=labels,
            state="DRAFT" if draft else "ENABLED",
        )
        return self._created(self.held[-1])

    def _created(self, version: _Version) -> Reply:
        artifact = {"groupId": version.group, "artifactId": version.artifact}
        return _ok({"artifact": artifact, "version": version.metadata()})

    def _apply_rules(self, group: str, artifact: str, found: list[_Version], content: str) -> None:
        places = (("groups", group, "artifacts", artifact), ("groups", group), ("admin",))
        level = next((self.rules[place] for place in places if place in self.rules), "NONE")
        if level != "NONE" and found and self.breaks(json.loads(found[-1].content), content):
            raise _Problem(
                400,
                "RuleViolationException",
                f"Incompatible artifact: {artifact} [JSON]",
                causes=[{"description": "a property was removed", "context": "/properties/x"}],
            )

    def _rule(self, method: str, request: Request, place: tuple[str, ...]) -> Reply:
        if place == ("admin",) and not self.admits_admin:
            raise _Problem(403, "ForbiddenException", "administrators only")
        if len(place) == 4:
            self._known(place[1], place[3])
        if method == "POST":
            self.rules[place] = request.json()["config"]
            return Reply(204)
        if place not in self.rules:
            raise _not_found("Rule")
        if method == "PUT":
            self.rules[place] = request.json()["config"]
        if method == "DELETE":
            del self.rules[place]
            return Reply(204)
        return _ok({"ruleType": "COMPATIBILITY", "config": self.rules[place]})

    def _searched(self, request: Request) -> list[_Version]:
        query = request.query
        wanted = {"groupId": "group", "artifactId": "artifact", "globalId": "number"}
        return [
            version
            for version in self.held
            if all(
                str(getattr(version, name)) == query[key]
                for key, name in wanted.items()
                if key in query
            )
        ]

    def _page(self, request: Request, found: list[_Version]) -> Reply:
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 20))
        shown = found[offset : offset + min(limit, _MOST)]
        return _ok({"count": len(found), "versions": [version.metadata() for version in shown]})

    def _of(self, group: str, artifact: str) -> list[_Version]:
        return [v for v in self.held if (v.group, v.artifact) == (group, artifact)]

    def _known(self, group: str, artifact: str) -> list[_Version]:
        found = self._of(group, artifact)
        if not found:
            raise _not_found("Artifact")
        return found

    def _named(self, group: str, artifact: str, name: str) -> _Version:
        found = [v for v in self._known(group, artifact) if v.version == name]
        if not found:
            raise _not_found("Version")
        return found[0]


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _ok(body: Any) -> Reply:
    return Reply(200, body, {"Content-Type": "application/json"})
