"""A subschema where it stands: its keywords, and the subschemas that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from llm_integrations.core.jsonschema.drafts import Draft, declared_draft
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.jsonschema.uri import resolved

__all__ = ["ROOT", "SchemaLocation"]

ROOT: Final = ""
"""The name of the schema itself among its documents."""

_SINGLE: Final = frozenset(
    {"additionalProperties", "unevaluatedProperties", "propertyNames", "not", "if", "then", "else"}
    | {"items", "additionalItems", "unevaluatedItems", "contains"}
)
_LISTS: Final = frozenset(["allOf", "anyOf", "oneOf", "prefixItems", "items"])
_MAPS: Final = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "dependencies"}
    | {"definitions", "$defs"}
)
_HOLDERS: Final = _SINGLE | _LISTS | _MAPS


@dataclass(frozen=True, init=False)
class SchemaLocation:
    """A subschema. Compared by where it stands.

    Attributes:
        document: ROOT, or the name of a referenced schema.
        steps: from the document's top to the subschema.
        schema: what stands there.
        base: the URI that its references are relative to.
        draft: the draft that it is read by.
    """

    document: str
    steps: tuple[str | int, ...]
    schema: Any = field(compare=False)
    base: str = field(compare=False)
    draft: Draft = field(compare=False)

    def __init__(
        self, document: str, steps: tuple[str | int, ...], schema: Any, base: str, draft: Draft
    ) -> None:
        # What a frozen dataclass does for each field takes three times as long, and a schema has
        # thousands of locations.
        vars(self).update(document=document, steps=steps, schema=schema, base=base, draft=draft)

    @classmethod
    def create(
        cls, document: str, steps: tuple[str | int, ...], schema: Any, base: str, draft: Draft
    ) -> SchemaLocation:
        """A subschema, given the base URI and the draft around it: its own take effect."""
        if isinstance(schema, dict):
            if "$schema" in schema:
                draft = declared_draft(schema, draft) or draft
            if draft.id_keyword in schema:
                base = _base_of(schema, base, draft)
        return cls(document, steps, schema, base, draft)

    @property
    def own_id(self) -> str | None:
        """The id that begins a base URI of its own here."""
        return _own_id(self.schema, self.draft) if isinstance(self.schema, dict) else None

    @property
    def pointer(self) -> str:
        """The JSON Pointer in its document."""
        return to_pointer(self.steps)

    @cached_property
    def keywords(self) -> dict[str, Any]:
        """The keywords that have an effect here, with their values."""
        if not isinstance(self.schema, dict):
            return {}
        if self.draft.ref_hides_siblings and "$ref" in self.schema:
            return {"$ref": self.schema["$ref"]}
        return {word: self.schema[word] for word in self.schema if word in self.draft.keywords}

    @property
    def has_own_identity(self) -> bool:
        """Whether it is a schema of its own within another: by an id, or by a draft."""
        if not self.steps or not isinstance(self.schema, dict):
            return False
        return self.own_id is not None or "$schema" in self.schema

    def below(self, *steps: str | int) -> SchemaLocation:
        """The subschema at the end of some steps, with no other schema on the way there."""
        found = self.schema
        for step in steps:
            found = found[step]
        return self.create(self.document, (*self.steps, *steps), found, self.base, self.draft)

    def parts(self, keyword: str) -> list[SchemaLocation]:
        """The subschemas that a keyword holds: one, or each of a list or of a map."""
        value = self.schema.get(keyword) if isinstance(self.schema, dict) else None
        if isinstance(value, dict) and keyword in _MAPS:
            schemas = (name for name, item in value.items() if isinstance(item, dict | bool))
            return [self.below(keyword, name) for name in schemas]
        if isinstance(value, list) and keyword in _LISTS:
            return [self.below(keyword, index) for index in range(len(value))]
        held = isinstance(value, dict | bool) and keyword in _SINGLE
        return [self.below(keyword)] if held else []

    def applied_parts(self, keyword: str) -> list[SchemaLocation]:
        """``parts`` of a keyword that has an effect here; none of another."""
        return self.parts(keyword) if keyword in self.keywords else []

    def walk(self) -> Iterator[SchemaLocation]:
        """This subschema, and all that are inside of it at any depth."""
        waiting = [self]
        while waiting:
            location = waiting.pop()
            yield location
            if isinstance(location.schema, dict):
                for keyword in _HOLDERS & location.schema.keys():
                    waiting += location.parts(keyword)

    def at(self, tokens: Sequence[str]) -> SchemaLocation | None:
        """What stands at the end of a pointer from here; None if nothing does.

        An id on the way there counts only where a schema stands: ``{"default": {"$id": …}}`` is
        data.
        """
        here = self
        while tokens:
            taken = _steps_to_schema(here.schema, tokens)
            steps, found = _followed(here.schema, tokens[: taken or len(tokens)])
            if steps is None:
                return None
            if not taken:
                return SchemaLocation(
                    here.document, (*here.steps, *steps), found, here.base, here.draft
                )
            here, tokens = here.below(*steps), tokens[taken:]
        return here


def _own_id(schema: dict[str, Any], draft: Draft) -> str | None:
    own = schema.get(draft.id_keyword)
    hidden = draft.ref_hides_siblings and "$ref" in schema
    return None if hidden or not isinstance(own, str) or own.startswith("#") else own


def _base_of(schema: dict[str, Any], base: str, draft: Draft) -> str:
    own = _own_id(schema, draft)
    target = None if own is None else resolved(base, own)
    return base if target is None else target[0]


def _steps_to_schema(schema: Any, tokens: Sequence[str]) -> int:
    """How many tokens lead to the next schema; 0 if that is none that a keyword holds."""
    word = tokens[0]
    value = schema.get(word) if isinstance(schema, dict) else None
    if (isinstance(value, dict) and word in _MAPS) or (isinstance(value, list) and word in _LISTS):
        return 2 if len(tokens) > 1 else 0
    return 1 if word in _SINGLE else 0


def _followed(value: Any, tokens: Sequence[str]) -> tuple[tuple[str | int, ...] | None, Any]:
    steps: list[str | int] = []
    for token in tokens:
        if isinstance(value, dict) and token in value:
            steps.append(token)
            value = value[token]
        elif isinstance(value, list) and token.isascii() and token.isdecimal():
            if int(token) >= len(value):
                return None, None
            steps.append(int(token))
            value = value[int(token)]
        else:
            return None, None
    return tuple(steps), value
