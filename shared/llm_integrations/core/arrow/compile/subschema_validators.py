"""The engine's verdict by parts of a schema: the same that it gives within the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

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

_SAFE: Final = "/~!$&'()*+,;=:@"
"""What a URI's fragment may hold unescaped."""


class SubschemaValidators:
    """Validators for parts of a schema, compiled on first use.

    Args:
        documents: the schema and those that it may refer to.
        options: how to judge.
    """

    def __init__(self, documents: Documents, options: ValidationOptions) -> None:
        self._root = documents.root
        self._named = documents.named
        # Which nulls count as missing depends on the whole schema, so the caller takes them away.
        self._options = replace(options, nulls="strict")
        self._known: dict[SchemaLocation, Accepts] = {}

    def at(self, location: SchemaLocation) -> Accepts:
        """The verdict on values by the subschema that stands there."""
        if location not in self._known:
            self._known[location] = self._compile(location)
        return self._known[location]

    def at_member(self, location: SchemaLocation) -> Accepts:
        """``at`` for what may be no JSON: the engine looks closer at a value that stands alone
        than at a member of an object."""
        schema = {"properties": {"value": self._alone(location)}}
        accepts = self._accepts(schema, self._with_root())
        return lambda value: accepts({"value": value})

    def of_keywords(self, schema: dict[str, Any]) -> Accepts:
        """The verdict by keywords that refer to nothing."""
        return self._accepts(schema, {})

    def _compile(self, location: SchemaLocation) -> Accepts:
        if location.document == ROOT and not location.steps:
            return self._accepts(self._root, self._named)
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
