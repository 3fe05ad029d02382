"""Whether a schema follows data as deep as it goes. Only such a schema needs a depth guard."""

from __future__ import annotations

from typing import Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = ["is_recursive"]

_DYNAMIC: Final = frozenset({"$dynamicRef", "$recursiveRef"})
_DEEPEST: Final = 300
"""Levels that references may add up to; a schema that could go deeper counts as endless."""


def is_recursive(documents: Documents) -> bool:
    """Whether some reference leads back to where it stands.

    Errs on the safe side: what cannot be followed here (dynamic references, an unknown anchor)
    counts as recursive.
    """
    if not _DYNAMIC.isdisjoint(documents.keywords):
        return True
    return "$ref" in documents.keywords and _Search(documents).leads_back(documents.top, ())


class _Search:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._cleared: set[SchemaLocation] = set()

    def leads_back(self, start: SchemaLocation, chain: tuple[SchemaLocation, ...]) -> bool:
        """Whether a reference inside of ``start`` reaches a member of the chain that led there."""
        if start in chain or len(chain) * self._documents.nesting > _DEEPEST:
            return True
        if start in self._cleared:
            return False
        for location in start.walk():
            if isinstance(location.schema, dict) and "$ref" in location.schema:
                target = self._documents.follow(location)
                if target is None or self.leads_back(target, (*chain, start)):
                    return True
        self._cleared.add(start)
        return False
