"""Reads one line of JSON, as ``json.loads`` does and several times as fast."""

from __future__ import annotations

import json
from typing import Any

from llm_integrations.core.extras import require_extra

require_extra("drift", "pydantic_core")

from pydantic_core import from_json  # noqa: E402 - the line above names the pip command

__all__ = ["read_line"]


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
