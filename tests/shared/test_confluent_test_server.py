"""The server that other tests rely on answers as the recorded registry did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.confluent_server import ConfluentServer
from tests.support.http_server import Reply
from tests.support.recorded_registry import Recorded, recorded, recorded_names

# What depends on Avro, or is a message of a JSON parser.
_OUT_OF_SCOPE = {"z-06-avro-missing-reference"}


def _comparable(body: bytes) -> Any:
    document = json.loads(body)
    parts = document if isinstance(document, list) else [document]
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("schema"), str):
            part["schema"] = json.loads(part["schema"])
    return document


def _send(client: httpx.Client, exchange: Recorded) -> httpx.Response:
    body = exchange.request_body
    content = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    return client.request(
        exchange.method, exchange.target, content=content, headers=exchange.request_headers
    )


def _differences(server: ConfluentServer, names: list[str]) -> Iterator[str]:
    with server, httpx.Client(base_url=server.url, trust_env=False) as client:
        for name in names:
            if name in _OUT_OF_SCOPE:
                continue
            exchange = recorded(name)
            got = _send(client, exchange)
            want: Reply = exchange.reply
            seen = (got.status_code, got.headers["content-type"], _comparable(got.content))
            if seen != (want.status, want.headers["content-type"], _comparable(want.raw)):
                yield f"{name}: {seen} instead of {want.status} {want.raw!r}"


def _sequence(kind: str) -> tuple[ConfluentServer, list[str]]:
    if kind == "auth":
        users = {"admin:admin": "rw", "reader:admin": "r"}
        return ConfluentServer(users=users), recorded_names("auth-")
    server = ConfluentServer()
    if kind == "z":
        return server, recorded_names("z-")
    server.add("warm", '{"type":"object"}')
    return server, [name for name in recorded_names() if name[0].isdigit()]


@pytest.mark.parametrize("kind", ["main", "auth", "z"])
def test_every_recorded_exchange_is_answered_alike(kind: str) -> None:
    server, names = _sequence(kind)
    assert list(_differences(server, names)) == []
