"""A model's completion as the data that a schema judges."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parsed_output"]


def parsed_output(completion: str) -> tuple[Any, bool]:
    """The completion's JSON value and True; the text itself and False when it is not JSON."""
    try:
        return json.loads(completion), True
    except (ValueError, RecursionError):
        return completion, False
