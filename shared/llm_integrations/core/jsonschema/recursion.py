"""Whether a schema follows data as deep as it goes. Only such a schema needs a depth guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import BASE_URI, Documents, base_of

__all__ = ["is_recursive"]

_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_DEEPEST: Final = 300
"""Levels that references may add up to; a schema that could go deeper counts as endless."""


def is_recursive(documents: Documents) -> bool:
    """Whether some reference leads back to where it stands.

    Errs on the safe side: what cannot be followed here (dynamic references, an unknown anchor)
    counts as recursive.
    """
    if _REFERENCES.isdisjoint(documents.keywords):
        return False
    return _Search(documents).leads_back(documents.root, BASE_URI, ())


class _Search:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._cleared: set[int] = set()

    def leads_back(self, start: Any, base: str, chain: tuple[int, ...]) -> bool:
        """Whether a reference inside of ``start`` reaches a member of the chain that led there."""
        if id(start) in chain or len(chain) * self._documents.nesting > _DEEPEST:
            return True
        if id(start) in self._cleared:
            return False
        for reference, at in _references(start, base):
            target = None if reference is None else self._documents.resolve(reference, at)
            if target is None or self.leads_back(*target, (*chain, id(start))):
                return True
        self._cleared.add(id(start))
        return False


def _references(start: Any, base: str) -> Iterator[tuple[str | None, str]]:
    """Every reference inside of a schema with the base it resolves against; None if dynamic."""
    waiting = [(start, base)]
    while waiting:
        node, base = waiting.pop()
        if isinstance(node, dict):
            base = base_of(node, base)
            if "$dynamicRef" in node or "$recursiveRef" in node:
                yield None, base
            if isinstance(reference := node.get("$ref"), str):
                yield reference, base
            waiting.extend((child, base) for child in node.values())
        elif isinstance(node, list):
            waiting.extend((child, base) for child in node)
