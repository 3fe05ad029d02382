"""What a validator is made from: all that pickles, and all that its compiled form depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.model.fingerprint import JsonSchema, fingerprint_of

__all__ = ["Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """A schema, the schemas it names and the options, as text and plain values.

    Attributes:
        text: the schema as JSON, in its own order.
        fingerprint: SHA-256 (hex) of its canonical form.
        named: the referenced schemas as JSON, by name, in order of name.
        options: how to judge.
    """

    text: str
    fingerprint: str
    named: tuple[tuple[str, str], ...]
    options: ValidationOptions

    @classmethod
    def of(
        cls,
        body: JsonSchema,
        resources: Mapping[str, JsonSchema],
        options: ValidationOptions,
    ) -> Source:
        """Raises InvalidSchema for what is no JSON document, or a document of another kind."""
        for document in (body, *resources.values()):
            if not isinstance(document, dict | bool):
                kind = type(document).__name__
                raise InvalidSchema(f"it is no JSON Schema, but a {kind} (dict or bool is meant)")
        for resource in resources.values():
            fingerprint_of(resource)
        return cls(
            fingerprint=fingerprint_of(body),
            text=_text(body),
            named=tuple((name, _text(resources[name])) for name in sorted(resources)),
            options=options,
        )

    def body(self) -> JsonSchema:
        """The schema; a new copy each time."""
        return cast("JsonSchema", json.loads(self.text))

    def resources(self) -> dict[str, JsonSchema]:
        """The referenced schemas by name; new copies each time."""
        return {name: json.loads(text) for name, text in self.named}


def _text(body: JsonSchema) -> str:
    return json.dumps(body, ensure_ascii=False, allow_nan=False)
