"""The engine's verdict by parts of a schema: the same that it gives within the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from llm_integrations.core.arrow.compile.whole_rows import WholeRows
from llm_integrations.core.arrow.kernels.fallback_nodes import Accepts
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import ROOT, SchemaLocation
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.validation.validator import compile_validator

__all__ = ["SubschemaValidators"]

_OWN_NAME: Final = "llm-integrations-the-schema-itself.json"
"""What the root is called while one of its parts stands alone. Relative, so that the references
within it resolve as ever."""

_MOST_COMPILED: Final = 50_000
"""Schema objects that the engine may compile for parts: it takes in the whole schema for each."""

_RELATED: Final = frozenset(["$ref", "$dynamicRef", "$recursiveRef", "$id", "id", "$schema"])
"""Keywords that tie a part to the rest of its schema, or make it one of its own. Properties of such
a name are taken for them, which costs time and nothing else."""

_SAFE: Final = "/~!$&'()*+,;=:@"
"""What a URI's fragment may hold unescaped."""


class SubschemaValidators:
    """Validators for parts of a schema, compiled on first use.

    Args:
        documents: the schema and those that it may refer to.
        options: how to judge.

    Raises:
        WholeRows: from ``at`` and ``at_member``, when so many parts are asked for that the engine
            had better judge whole rows.
    """

    def __init__(self, documents: Documents, options: ValidationOptions) -> None:
        self._root = documents.root
        self._named = documents.named
        # Which nulls count as missing depends on the whole schema, so the caller takes them away.
        self._options = replace(options, nulls="strict")
        self._draft = documents.top.draft
        self._known: dict[tuple[SchemaLocation, bool], Accepts] = {}
        self._patterns: dict[str, Accepts] = {}
        self._left = _MOST_COMPILED
        self._size = sum(1 for _ in documents.objects())

    def at(self, location: SchemaLocation) -> Accepts:
        """The verdict on values by the subschema that stands there."""
        return self._of(location, member=False)

    def at_member(self, location: SchemaLocation) -> Accepts:
        """``at`` for what may be no JSON: the engine looks closer at a value that stands alone
        than at a member of an object."""
        accepts = self._of(location, member=True)
        return lambda value: accepts({"value": value})

    def matches(self, pattern: str, name: str) -> bool:
        """Whether a property of this name is one that a pattern of patternProperties means."""
        if pattern not in self._patterns:
            self._patterns[pattern] = self.of_keywords({"pattern": pattern})
        return self._patterns[pattern](name)

    def of_keywords(self, schema: dict[str, Any]) -> Accepts:
        """The verdict by keywords that refer to nothing."""
        return self._accepts(schema, {})

    def _of(self, location: SchemaLocation, *, member: bool) -> Accepts:
        if (location, member) not in self._known:
            self._left -= self._size
            if self._left < 0 and self._known:
                raise WholeRows("too many of its parts have no kernel")
            self._known[location, member] = self._compile(location, member=member)
        return self._known[location, member]

    def _compile(self, location: SchemaLocation, *, member: bool) -> Accepts:
        if member:
            schema = {"properties": {"value": self._alone(location)}}
            return self._accepts(schema, self._with_root())
        if location.document == ROOT and not location.steps:
            return self._accepts(self._root, self._named)
        if location.draft is self._draft and _stands_alone(location.schema):
            return self.of_keywords(location.schema)
        return self._accepts(self._alone(location), self._with_root())

    def _alone(self, location: SchemaLocation) -> dict[str, Any]:
        name = _OWN_NAME if location.document == ROOT else location.document
        return {"$ref": f"{name}#{quote(location.pointer, safe=_SAFE)}"}

    def _with_root(self) -> dict[str, JsonSchema]:
        return {**self._named, _OWN_NAME: self._root}

    def _accepts(self, schema: JsonSchema, named: Mapping[str, JsonSchema]) -> Accepts:
        if isinstance(schema, dict) and isinstance(self._root, dict) and "$schema" in self._root:
            schema = {"$schema": self._root["$schema"], **schema}
        return compile_validator(schema, options=self._options, resources=named).is_valid


def _stands_alone(schema: Any) -> bool:
    """Whether a part of a schema says the same by itself: it refers to nothing."""
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if not _RELATED.isdisjoint(part):
                return False
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return isinstance(schema, dict)
