"""The engine, asked about parts of a schema: the same verdict that it gives within the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from llm_integrations.core.arrow.compile.schema_location import ROOT, Place
from llm_integrations.core.arrow.kernels.fallback_nodes import Ask
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.validation.validator import compile_validator

__all__ = ["Questions"]

_OWN_NAME: Final = "llm-integrations-the-schema-itself.json"
"""What the root is called while one of its parts stands alone. Relative, so that the references
within it resolve as ever."""

_SAFE: Final = "/~!$&'()*+,;=:@"
"""What a URI's fragment may hold unescaped."""


class Questions:
    """Validators for parts of a schema, compiled on first use.

    Args:
        root: the schema.
        named: the schemas that it may refer to, by name.
        options: how to judge.
    """

    def __init__(
        self, root: JsonSchema, named: Mapping[str, JsonSchema], options: ValidationOptions
    ) -> None:
        self._root = root
        self._named = named
        # Which nulls count as missing depends on the whole schema, so the caller takes them away.
        self._options = replace(options, nulls="strict")
        self._known: dict[Place, Ask] = {}

    def about(self, place: Place) -> Ask:
        """The verdict on values by the subschema that stands there."""
        if place not in self._known:
            self._known[place] = self._compile(place)
        return self._known[place]

    def about_member(self, place: Place) -> Ask:
        """``about`` for what may be no JSON: the engine looks closer at a value that stands alone
        than at a member of an object."""
        judge = self._ask({"properties": {"value": self._alone(place)}}, self._with_root())
        return lambda value: judge({"value": value})

    def about_keywords(self, schema: dict[str, Any]) -> Ask:
        """The verdict by keywords that refer to nothing."""
        return self._ask(schema, {})

    def _compile(self, place: Place) -> Ask:
        if place.document == ROOT and not place.steps:
            return self._ask(self._root, self._named)
        return self._ask(self._alone(place), self._with_root())

    def _alone(self, place: Place) -> dict[str, Any]:
        name = _OWN_NAME if place.document == ROOT else place.document
        return {"$ref": f"{name}#{quote(place.pointer, safe=_SAFE)}"}

    def _with_root(self) -> dict[str, JsonSchema]:
        return {**self._named, _OWN_NAME: self._root}

    def _ask(self, schema: JsonSchema, named: Mapping[str, JsonSchema]) -> Ask:
        if isinstance(schema, dict) and isinstance(self._root, dict) and "$schema" in self._root:
            schema = {"$schema": self._root["$schema"], **schema}
        return compile_validator(schema, options=self._options, resources=named).is_valid
