"""Reading JSON out of bodies and answers.

The server reads a request by ``json.loads`` on its bytes: a byte order mark, UTF-16, NaN and the
last of duplicate keys are all fine with it. Whoever judges has to read the same thing. pydantic's
parser is several times faster and agrees wherever it succeeds; where it refuses, ``json.loads``
has the last word.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic_core import from_json

__all__ = [
    "KeyTwice",
    "as_dict",
    "as_list",
    "joined_text",
    "read_fields",
    "read_json",
    "read_unambiguous",
    "said_text",
]

_TEXTS: Final = ("text", "output_text")
_MEDIA: Final = ("image", "audio", "video", "file", "document")
"""Of a content part that a model reads no text from, its kind holds one of these."""
_CALLS: Final = ("tool_use", "server_tool_use", "redacted_thinking")
"""Or is one of these, in what the model itself had said."""


def read_json(data: bytes | str) -> Any:
    """The value. Raises ValueError, or RecursionError, exactly where ``json.loads`` does."""
    try:
        return from_json(data)
    except (ValueError, TypeError):  # the latter for text with half a surrogate pair
        return json.loads(data)


class KeyTwice(ValueError):
    """An object has a key twice, of which parsers take the first or the last."""


def read_unambiguous(data: bytes) -> Any:
    """As ``read_json``, where who reads it is no Python. Raises KeyTwice as well."""
    return json.loads(data, object_pairs_hook=_unambiguous)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise KeyTwice
    return made


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


def joined_text(content: Any) -> str | None:
    """Text as it is, or the text parts of a list of content parts in a row; None without any."""
    if isinstance(content, str):
        return content
    texts = [
        part["text"]
        for part in as_list(content)
        if isinstance(part, dict)
        and part.get("type") in _TEXTS
        and isinstance(part.get("text"), str)
    ]
    return "".join(texts) if texts else None


def said_text(content: Any) -> str | None:
    """All the text that a model is given of what a client says.

    Servers take more kinds of parts than their documents name. A part that is neither text nor
    known to hold none could say anything: then it is None, as without any text.
    """
    if isinstance(content, str):
        return content
    texts = [_part_text(part) for part in as_list(content)]
    return "".join(map(str, texts)) or None if None not in texts else None


def _part_text(part: Any) -> str | None:
    """The text of a part; empty for an image and the like, None where nobody can tell."""
    if isinstance(part, str):
        return part
    fields = as_dict(part)
    kind = str(fields.get("type"))
    is_media = kind in _CALLS or any(name in kind for name in _MEDIA)
    keys = ("text", "title", "context") if is_media else dict.fromkeys(("text", kind))
    texts: list[Any] = [fields[key] for key in keys if isinstance(fields.get(key), str)]
    source = as_dict(fields.get("source"))
    if source.get("type") in ("text", "content"):  # of a document
        texts.append(said_text(source.get("data", source.get("content"))))
    return None if None in texts or not (texts or is_media) else "".join(texts)
