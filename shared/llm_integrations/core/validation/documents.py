"""A schema together with the schemas that its references may reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

from llm_integrations.core.fingerprint import JsonSchema

__all__ = ["BASE_URI", "Documents"]

BASE_URI: Final = "http://schema.invalid/"
"""What relative references resolve against; ``.invalid`` never exists (RFC 2606)."""


@dataclass(frozen=True)
class Documents:
    """Attributes: the schema itself, and the referenced bodies by the name a ``$ref`` uses."""

    root: JsonSchema
    named: Mapping[str, JsonSchema] = field(default_factory=dict)

    @cached_property
    def resources(self) -> dict[str, JsonSchema]:
        """The named bodies under each URI that their name can resolve to in these documents.

        A name stands for itself, so it is found from every ``$id`` that a reference can stand
        under.
        """
        found: dict[str, JsonSchema] = {}
        for base in self._bases():
            for name, body in self.named.items():
                found.setdefault(urldefrag(urljoin(base, name)).url, body)
        return found

    @cached_property
    def nesting(self) -> int:
        """How deep the deepest of the documents is nested as JSON."""
        return max(_nesting(body) for body in (self.root, *self.named.values()))

    @cached_property
    def words(self) -> frozenset[str]:
        """Every property name and required name in the documents: what is no secret."""
        words: set[str] = set()
        for node in self.nodes():
            words.update(node)
            for listed in node.values():
                if isinstance(listed, list):
                    words.update(item for item in listed if isinstance(item, str))
        return frozenset(words)

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Every JSON object in the documents."""
        for body in (self.root, *self.named.values()):
            yield from _objects(body)

    def _bases(self) -> Iterator[str]:
        yield BASE_URI
        for name in self.named:
            yield urljoin(BASE_URI, name)
        for node in self.nodes():
            for key in ("$id", "id"):
                if isinstance(node.get(key), str):
                    yield urljoin(BASE_URI, node[key])


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _nesting(value: Any) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth
