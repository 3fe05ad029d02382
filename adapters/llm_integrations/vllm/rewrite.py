"""Changing a request: only the fields that have to be, the client's own bytes otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llm_integrations.vllm.asgi import Headers

__all__ = ["with_fields", "with_length"]


def with_fields(data: bytes, request: Mapping[str, Any], fields: Mapping[str, Any]) -> bytes:
    """The body ``data``, which holds ``request``, with some of its top-level fields set.

    New fields are appended to the bytes as they came; a body that has one of them already, or
    is not plain UTF-8, is written anew.
    """
    if not request or not fields.keys().isdisjoint(request) or not _is_plain(data):
        return json.dumps({**request, **fields}).encode()
    end = data.rindex(b"}")
    return data[:end] + b"," + json.dumps(fields).encode()[1:]


def with_length(headers: Headers, length: int) -> Headers:
    """The request's headers for a body of another length."""
    return [
        (name, str(length).encode() if name.lower() == b"content-length" else value)
        for name, value in headers
    ]


def _is_plain(data: bytes) -> bool:
    return json.detect_encoding(data) == "utf-8" and data.rstrip().endswith(b"}")
