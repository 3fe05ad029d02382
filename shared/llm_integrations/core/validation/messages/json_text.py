"""Text that should be JSON, and is not."""

from __future__ import annotations

import json

__all__ = ["no_json"]


def no_json(error: ValueError | RecursionError) -> str:
    """What is wrong with a text, by what its reader raised."""
    if isinstance(error, RecursionError):
        return "the text is JSON nested too deeply"
    where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
    return f"the text is not JSON{where}"
