"""Reading JSON out of bodies and answers.

The server reads a request by ``json.loads`` on its bytes: a byte order mark, UTF-16, NaN and the
last of duplicate keys are all fine with it. Whoever judges has to read the same thing. pydantic's
parser is several times faster and agrees wherever it succeeds; where it refuses, ``json.loads``
has the last word.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

__all__ = ["as_dict", "as_list", "joined_text", "read_fields", "read_json"]


def read_json(data: bytes | str) -> Any:
    """The value. Raises ValueError, or RecursionError, exactly where ``json.loads`` does."""
    try:
        return from_json(data)
    except (ValueError, TypeError):  # the latter for text with half a surrogate pair
        return json.loads(data)


def read_fields(data: bytes) -> dict[str, Any]:
    """The object that ``data`` holds; an empty one where it holds none."""
    try:
        return as_dict(read_json(data))
    except (ValueError, RecursionError):
        return {}


def as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def joined_text(content: Any, kinds: tuple[str, ...]) -> str | None:
    """Text as it is, or the text parts of a list of content parts in a row; None without any."""
    if isinstance(content, str):
        return content
    texts = [
        part["text"]
        for part in as_list(content)
        if isinstance(part, dict)
        and part.get("type") in kinds
        and isinstance(part.get("text"), str)
    ]
    return "".join(texts) if texts else None
