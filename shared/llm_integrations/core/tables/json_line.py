"""Reads one line of JSON, by a faster reader, as ``json.loads`` does."""

from __future__ import annotations

import json
from typing import Any

from llm_integrations.core.extras import require_extra

require_extra("drift", "pydantic_core")

from pydantic_core import from_json  # noqa: E402 - the line above names the pip command

__all__ = ["NoRow", "read_line", "read_row"]


class NoRow(ValueError):
    """A line is no row. The message says why, without data."""


def read_row(line: bytes) -> dict[str, Any]:
    """The JSON object that a line holds. NoRow if it holds none, or text that is no Unicode."""
    try:
        value = read_line(line)
    except json.JSONDecodeError as error:
        raise NoRow(f"the line is not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise NoRow(f"the line is not JSON: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise NoRow("the line is no object")
    if b"\\u" in line and not _is_unicode(value):
        raise NoRow("the line holds half of a surrogate pair, which is no text")
    return value


def read_line(line: bytes) -> Any:
    """What a line says.

    Raises:
        ValueError, RecursionError: it is no JSON; as ``json.loads`` has it.
    """
    try:
        return from_json(line)
    except ValueError:
        # It refuses more than json.loads does: a byte order mark, half of a surrogate pair, more
        # than 200 levels.
        return json.loads(line)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
