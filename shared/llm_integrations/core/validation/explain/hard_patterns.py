"""Whether a pattern that looks around would be given up on some text of the data.

Where the engine cannot list its errors in time, its verdict is all there is, and that does not say
when a pattern was given up. So every such pattern is tried on every text first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.patterns import patterns_of

__all__ = ["hard_patterns", "texts_of"]


def hard_patterns(documents: Documents) -> list[str]:
    """The patterns in the documents that do not run in linear time."""
    found = dict.fromkeys(patterns_of(documents))
    return [pattern for pattern in found if not _is_linear(pattern)]


def texts_of(value: Any) -> Iterator[str]:
    """Every text and property name in JSON data."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list | tuple):
            waiting += item


def _is_linear(pattern: str) -> bool:
    try:
        jsonschema_rs.validator_for(
            {"pattern": pattern}, offline=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except ValueError:
        return False
    return True
