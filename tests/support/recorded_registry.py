"""Answers of a real Confluent-compatible registry (Karapace), served again over a socket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.http_server import HttpServer, Reply, Request

__all__ = ["Recorded", "RecordedRegistry", "recorded", "recorded_names"]

_FOLDER = Path(__file__).parent.parent / "fixtures" / "recorded_registry"
_PER_CONNECTION = ("date", "server", "content-length")


@dataclass(frozen=True)
class Recorded:
    """One request and the answer that it got."""

    name: str
    method: str
    target: str
    request_headers: dict[str, str]
    request_body: Any
    reply: Reply

    def was(self, request: Request) -> bool:
        """Whether a request is the recorded one. Schemas count as JSON, not as text."""
        if (request.method, request.target) != (self.method, self.target):
            return False
        if not isinstance(self.request_body, dict):
            return True
        return bool(_comparable(request.json()) == _comparable(self.request_body))


def _comparable(body: Any) -> Any:
    if not isinstance(body, dict) or not isinstance(body.get("schema"), str):
        return body
    try:
        return {**body, "schema": json.loads(body["schema"])}
    except ValueError:
        return body


def recorded_names(prefix: str = "") -> list[str]:
    """In the order of recording."""
    names = (path.stem for path in _FOLDER.glob("*.json"))
    return sorted(n for n in names if "topic" not in n and n.startswith(prefix))


def recorded(name: str) -> Recorded:
    content = json.loads((_FOLDER / f"{name}.json").read_text())
    request, response = content["request"], content["response"]
    headers = {k: v for k, v in response["headers"] if k not in _PER_CONNECTION}
    reply = Reply(response["status"], response["body_text"].encode(), headers)
    return Recorded(
        name, request["method"], request["path"], request["headers"], request["body"], reply
    )


class RecordedRegistry(HttpServer):
    """Serves the named exchanges. Equal requests get the recorded answers one after another.

    What was not recorded gets Karapace's answer to an unknown route, and stands in ``unexpected``.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._left = [recorded(name) for name in names]
        self._last: dict[tuple[str, str], Recorded] = {}
        self.unexpected: list[Request] = []

    def handle(self, request: Request) -> Reply:
        for exchange in self._left:
            if exchange.was(request):
                self._left.remove(exchange)
                self._last[request.method, request.target] = exchange
                return exchange.reply
        last = self._last.get((request.method, request.target))
        if last is not None and last.was(request):
            return last.reply
        self.unexpected.append(request)
        return recorded("67-unknown-path").reply
