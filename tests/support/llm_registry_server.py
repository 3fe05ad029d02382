"""An LLM Schema Registry in memory, on a socket; with or without the routes that its SDKs use."""

from __future__ import annotations

import json
import ssl
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import HttpServer, Reply, Request

__all__ = ["LLMRegistryServer"]

_TIME = "2026-01-01T00:00:00+00:00"


@dataclass
class _Kept:
    namespace: str
    name: str
    version: str
    asked: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def document(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "namespace": self.namespace,
            "name": self.name,
            "version": self.version,
            "format": self.asked["schema_type"],
            "schema": self.asked["schema"],
            "content": json.dumps(self.asked["schema"]),
            "state": self.asked.get("state", "DRAFT"),
            "compatibility_mode": self.asked.get("compatibility_mode", "BACKWARD"),
            "created_at": _TIME,
            "updated_at": _TIME,
        }


class LLMRegistryServer(HttpServer):
    """``by_name`` adds looking up by name; ``token`` and ``key`` are asked for when given."""

    def __init__(
        self,
        *,
        by_name: bool = True,
        token: str | None = None,
        key: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(context=context)
        self.at_once = 1_000  # items of a page, at the most
        self._by_name = by_name
        self._token = token
        self._key = key
        self.kept: list[_Kept] = []

    def add(self, subject: str, schema: Any, version: str = "1.0.0", **more: Any) -> str:
        """Put a schema into the registry behind its clients' backs; returns the id."""
        major, minor, patch = (int(part) for part in version.split("."))
        with self._lock:
            _, kept = self._keep(
                {
                    "subject": subject,
                    "schema": schema,
                    "schema_type": "JSON",
                    "version_major": major,
                    "version_minor": minor,
                    "version_patch": patch,
                    "state": "ACTIVE",
                    **more,
                }
            )
            return kept.id

    def handle(self, request: Request) -> Reply:
        status, body = (401, {"error": "unauthorized"})
        if self._allowed(request):
            status, body = self._route(request)
        raw = b"" if body is None else json.dumps(body).encode()
        return Reply(status, raw, {"Content-Type": "application/json"} if raw else {})

    def _allowed(self, request: Request) -> bool:
        if self._token is not None:
            return request.headers.get("authorization") == f"Bearer {self._token}"
        return self._key is None or request.headers.get("x-api-key") == self._key

    def _route(self, request: Request) -> tuple[int, Any]:
        match request.method, request.segments:
            case "GET", ["health"]:
                up = {"status": "up", "message": None}
                return 200, {"status": "healthy", "components": {"database": up, "redis": up}}
            case "POST", ["api", "v1", "schemas"]:
                created, kept = self._keep(request.json())
                answer = {"id": kept.id, "version": kept.version, "created_at": _TIME}
                return (201 if created else 200), answer
            case "GET", ["api", "v1", "schemas", schema_id]:
                return self._by_id(schema_id)
            case "POST", ["api", "v1", "validate", _]:
                return 200, {"is_valid": True}
            case "POST", ["api", "v1", "compatibility", "check"]:
                return 200, {"is_compatible": True, "mode": "BACKWARD"}
        return self._later_route(request) if self._by_name else (404, None)

    def _later_route(self, request: Request) -> tuple[int, Any]:
        match request.method, request.segments:
            case "GET", ["api", "v1", "schemas", namespace, name, "versions", *rest]:
                return self._named(namespace, name, rest)
            case "GET", ["api", "v1", "search"]:
                start = int(request.query["offset"])
                size = min(self.at_once, int(request.query["limit"]))
                return 200, [_found(kept) for kept in self.kept[start : start + size]]
        return 404, None

    def _by_id(self, schema_id: str) -> tuple[int, Any]:
        for kept in self.kept:
            if kept.id == schema_id:
                return 200, kept.document()
        return 404, {"error": f"Schema {schema_id} not found"}

    def _named(self, namespace: str, name: str, rest: list[str]) -> tuple[int, Any]:
        versions = [k for k in self.kept if (k.namespace, k.name) == (namespace, name)]
        if not rest and versions:
            return 200, [
                {"version": k.version, "schema_id": k.id, "created_at": _TIME} for k in versions
            ]
        for kept in versions:
            if rest == [kept.version]:
                return 200, kept.document()
        return 404, {"error": f"Schema {namespace}.{name} not found"}

    def _keep(self, asked: dict[str, Any]) -> tuple[bool, _Kept]:
        """A version that exists stays as it is, whatever the content."""
        namespace, dot, name = asked["subject"].rpartition(".")
        version = ".".join(
            str(asked.get(f"version_{part}", default))
            for part, default in (("major", 1), ("minor", 0), ("patch", 0))
        )
        new = _Kept(namespace if dot else "default", name, version, asked)
        for kept in self.kept:
            if (kept.namespace, kept.name, kept.version) == (new.namespace, name, version):
                return False, kept
        self.kept.append(new)
        return True, new


def _found(kept: _Kept) -> dict[str, Any]:
    return {
        "schema_id": kept.id,
        "namespace": kept.namespace,
        "name": kept.name,
        "version": kept.version,
        "score": 1.0,
    }
