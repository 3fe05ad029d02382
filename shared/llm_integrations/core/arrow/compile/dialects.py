"""What the drafts of JSON Schema differ in, as far as judging columns is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["Dialect", "dialect_of"]

_SINCE_4: Final = frozenset(
    {"$ref", "type", "enum", "allOf", "anyOf", "oneOf", "not", "dependencies", "required"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "pattern", "format"}
    | {"items", "additionalItems", "uniqueItems", "minItems", "maxItems"}
    | {"properties", "patternProperties", "additionalProperties", "minProperties", "maxProperties"}
)
_SINCE_6: Final = _SINCE_4 | {"const", "contains", "propertyNames"}
_SINCE_7: Final = _SINCE_6 | {"if"}
_CONTENT: Final = frozenset(["contentEncoding", "contentMediaType"])
_SINCE_2019: Final = _SINCE_7 | {
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
}


@dataclass(frozen=True)
class Dialect:
    """One draft.

    Attributes:
        uri: what ``$schema`` says.
        keywords: those that can make data invalid; every other word has no effect.
        ref_alone: whether a ``$ref`` hides the keywords beside it.
        whole_floats: whether 1.0 is an integer.
        list_items: whether ``items`` may be a list of schemas.
        id_keyword: what changes the base of references.
    """

    uri: str
    keywords: frozenset[str]
    ref_alone: bool = False
    whole_floats: bool = True
    list_items: bool = True
    id_keyword: str = "$id"


_DIALECTS: Final = (
    Dialect(
        "http://json-schema.org/draft-04/schema",
        _SINCE_4,
        ref_alone=True,
        whole_floats=False,
        id_keyword="id",
    ),
    Dialect("http://json-schema.org/draft-06/schema", _SINCE_6 | _CONTENT, ref_alone=True),
    Dialect("http://json-schema.org/draft-07/schema", _SINCE_7 | _CONTENT, ref_alone=True),
    Dialect("https://json-schema.org/draft/2019-09/schema", _SINCE_2019 | {"$recursiveRef"}),
    Dialect(
        "https://json-schema.org/draft/2020-12/schema",
        (_SINCE_2019 - {"additionalItems"}) | {"prefixItems", "$dynamicRef"},
        list_items=False,
    ),
)


def dialect_of(schema: JsonSchema) -> Dialect | None:
    """The draft that a document declares, 2020-12 if it declares none; None for any other."""
    if isinstance(schema, bool):
        return _DIALECTS[-1]
    declared = schema.get("$schema", _DIALECTS[-1].uri)
    if not isinstance(declared, str):
        return None
    name = declared.removesuffix("#")
    return next((dialect for dialect in _DIALECTS if dialect.uri == name), None)
