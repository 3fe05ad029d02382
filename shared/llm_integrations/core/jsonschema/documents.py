"""A schema together with the schemas that its references may reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin

from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["BASE_URI", "Documents", "base_of"]

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

        A name stands for itself, so it is found from under every ``$id``.
        """
        if not self.named:
            return {}
        bases = [BASE_URI, *(base for _, base in self.places() if base != BASE_URI)]
        found: dict[str, JsonSchema] = {}
        for base in dict.fromkeys(bases):
            for name, body in self.named.items():
                found.setdefault(urldefrag(urljoin(base, name)).url, body)
        return found

    @cached_property
    def base(self) -> str:
        """The base URI of the schema itself."""
        return base_of(self.root, BASE_URI) if isinstance(self.root, dict) else BASE_URI

    @cached_property
    def nesting(self) -> int:
        """How deep the deepest of the documents is nested as JSON."""
        return max(_nesting(body) for body in (self.root, *self.named.values()))

    @cached_property
    def keywords(self) -> frozenset[str]:
        """Every key of an object in the documents: the keywords in use, and other names."""
        return frozenset(key for node, _ in self.places() for key in node)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every property name, and every text in a list (names required, types, enums)."""
        words = set(self.keywords)
        for node, _ in self.places():
            for listed in node.values():
                if isinstance(listed, list):
                    words.update(item for item in listed if isinstance(item, str))
        return frozenset(words)

    def places(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Every JSON object in the documents, with the base URI in force inside of it."""
        waiting: list[tuple[Any, str]] = [(self.root, BASE_URI)]
        waiting += [(body, urljoin(BASE_URI, name)) for name, body in self.named.items()]
        while waiting:
            node, base = waiting.pop()
            if isinstance(node, dict):
                base = base_of(node, base)
                yield node, base
                waiting.extend((child, base) for child in node.values())
            elif isinstance(node, list):
                waiting.extend((child, base) for child in node)

    def resolve(self, reference: str, base: str) -> tuple[Any, str] | None:
        """What a ``$ref`` under a base URI points to and that thing's base; None if unknown."""
        target = urljoin(base, reference)
        if target in self._by_uri:
            return self._by_uri[target]
        document, fragment = urldefrag(target)
        if document not in self._by_uri or (fragment and not fragment.startswith("/")):
            return None
        return _follow(self._by_uri[document], unquote(fragment))

    @cached_property
    def _by_uri(self) -> dict[str, tuple[Any, str]]:
        found: dict[str, tuple[Any, str]] = {BASE_URI: (self.root, BASE_URI)}
        for uri, body in self.resources.items():
            found[uri] = (body, base_of(body, uri) if isinstance(body, dict) else uri)
        for node, base in self.places():
            if isinstance(node.get("$id", node.get("id")), str):
                found.setdefault(base, (node, base))
            for key in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(key), str):
                    found.setdefault(f"{base}#{node[key]}", (node, base))
        return found


def base_of(node: dict[str, Any], base: str) -> str:
    """The base URI inside of a JSON object, given the one around it."""
    own = node.get("$id", node.get("id"))
    if not isinstance(own, str) or own.startswith("#"):
        return base
    try:
        return urldefrag(urljoin(base, own)).url
    except ValueError:
        return base


def _follow(start: tuple[Any, str], pointer: str) -> tuple[Any, str] | None:
    node, base = start
    for segment in pointer.split("/")[1:]:
        key = segment.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
        base = base_of(node, base) if isinstance(node, dict) else base
    return node, base


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
