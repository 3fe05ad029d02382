"""The values of a column that the schema names (enum, const): they are public."""

from __future__ import annotations

import json

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = ["ITEM", "applied", "named_values"]

ITEM = "[*]"
"""A step to the items of a list, or the values of a map."""

_IN_PLACE = ("allOf", "anyOf", "oneOf", "then", "else")


def named_values(documents: Documents, path: tuple[str, ...]) -> frozenset[str]:
    """The values (JSON text) that the schema names by enum or const at a place of the row.

    Args:
        path: the names that lead there, as ``("address", "country")``, ``[*]`` for a list's items.
    """
    here = applied(documents, [documents.top])
    for name in path:
        if name == ITEM:
            items = [part for at in here for part in at.applied_parts("items")]
            here = applied(documents, items)
            continue
        declaring = [
            location for location in here if name in location.keywords.get("properties", ())
        ]
        here = applied(documents, [at.below("properties", name) for at in declaring])
    named = [
        value
        for keywords in (location.keywords for location in here)
        for value in [
            *keywords.get("enum", ()),
            *([keywords["const"]] if "const" in keywords else ()),
        ]
    ]
    return frozenset(json.dumps(value, ensure_ascii=False) for value in named)


def applied(documents: Documents, starts: list[SchemaLocation]) -> list[SchemaLocation]:
    """These subschemas and those applied to the same value (allOf, $ref and so on), each once."""
    found: dict[SchemaLocation, None] = {}
    waiting = list(starts)
    while waiting:
        location = waiting.pop()
        if location not in found:
            found[location] = None
            waiting += [target for target in documents.targets(location) if target is not None]
            for keyword in _IN_PLACE:
                waiting += location.applied_parts(keyword)
    return list(found)
