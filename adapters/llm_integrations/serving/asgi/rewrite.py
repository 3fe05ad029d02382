"""Changing a request: only the fields that have to be, the client's own bytes otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llm_integrations.serving.asgi.body import RequestBody
from llm_integrations.serving.asgi.types import Scope
from llm_integrations.serving.shapes.failure import Refused, bad_request

__all__ = ["changed", "with_fields", "without_encodings"]


def changed(scope: Scope, body: RequestBody, request: Any, fields: Mapping[str, Any]) -> Scope:
    """Give the app a request with these fields set; the scope that goes with it."""
    data = with_fields(body.data, request, fields)
    body.rewind(data)
    headers = [
        (name, str(len(data)).encode() if name.lower() == b"content-length" else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}


def without_encodings(scope: Scope) -> Scope:
    """Ask for a reply that is not compressed: it could not be read."""
    kept = [item for item in scope["headers"] if item[0] != b"accept-encoding"]
    return {**scope, "headers": kept}


def with_fields(data: bytes, request: Mapping[str, Any], fields: Mapping[str, Any]) -> bytes:
    """The body ``data``, which holds ``request``, with some of its top-level fields set.

    New fields are appended to the bytes as they came; a body that has one of them already, or
    is not plain UTF-8, is written anew. Raises Refused where that cannot be.
    """
    if not request or not fields.keys().isdisjoint(request) or not _is_plain(data):
        try:
            return json.dumps({**request, **fields}).encode()
        except (ValueError, RecursionError):
            raise Refused(bad_request("the body cannot be written anew", "body")) from None
    end = data.rindex(b"}")
    return data[:end] + b"," + json.dumps(fields).encode()[1:]


def _is_plain(data: bytes) -> bool:
    return json.detect_encoding(data) == "utf-8" and data.rstrip().endswith(b"}")
