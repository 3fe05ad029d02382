"""What the drafts of JSON Schema say differently, as data.

Checked against jsonschema-rs, which is what judges data: a keyword or a format counts in a draft
if, and only if, the engine asserts it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from llm_integrations.core.evolution.model.limits import Undecidable

__all__ = ["CONSTRAINING", "LATEST_DRAFT", "Draft", "draft_of"]

_COMMON: Final = frozenset(
    [
        "type",
        "enum",
        "multipleOf",
        "maximum",
        "minimum",
        "maxLength",
        "minLength",
        "pattern",
        "items",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxProperties",
        "minProperties",
        "required",
        "properties",
        "patternProperties",
        "additionalProperties",
        "dependencies",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "format",
        "$ref",
    ]
)
_ARRAY_ITEMS: Final = frozenset({"additionalItems"})
_SINCE_6: Final = frozenset(
    ["const", "contains", "propertyNames", "exclusiveMaximum", "exclusiveMinimum"]
)
_SINCE_7: Final = frozenset(["if", "then", "else"])
_SINCE_2019: Final = frozenset(
    [
        "dependentRequired",
        "dependentSchemas",
        "minContains",
        "maxContains",
        "unevaluatedProperties",
        "unevaluatedItems",
    ]
)
_FORMATS_4: Final = frozenset(
    ["date", "time", "date-time", "email", "idn-email", "hostname", "ipv4", "ipv6", "uri", "regex"]
)
_FORMATS_6: Final = _FORMATS_4 | {"uri-reference", "uri-template", "json-pointer"}
_FORMATS_7: Final = _FORMATS_6 | {"idn-hostname", "iri", "iri-reference", "relative-json-pointer"}
_FORMATS_2019: Final = _FORMATS_7 | {"duration", "uuid"}


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft, as far as it decides what an instance may be.

    Attributes:
        number: 4, 6, 7, 2019 or 2020.
        keywords: the ones that constrain.
        formats: the ones that are asserted when formats are.
        id_keyword: ``id`` or ``$id``.
        ref_hides_siblings: whether nothing beside ``$ref`` counts.
        asserts_content: whether contentEncoding and contentMediaType constrain.
        strict_integer: whether 1.0 is no integer.
        exclusive_flags: whether exclusiveMinimum is a boolean beside minimum.
    """

    number: int
    keywords: frozenset[str]
    formats: frozenset[str]
    id_keyword: str = "$id"
    ref_hides_siblings: bool = False
    asserts_content: bool = False
    strict_integer: bool = False
    exclusive_flags: bool = False


_DRAFT_4 = Draft(
    4,
    _COMMON | _ARRAY_ITEMS | {"exclusiveMaximum", "exclusiveMinimum"},
    _FORMATS_4,
    id_keyword="id",
    ref_hides_siblings=True,
    strict_integer=True,
    exclusive_flags=True,
)
_KEYWORDS_6 = _COMMON | _ARRAY_ITEMS | _SINCE_6
_DRAFT_6 = Draft(6, _KEYWORDS_6, _FORMATS_6, ref_hides_siblings=True, asserts_content=True)
_DRAFT_7 = Draft(
    7, _KEYWORDS_6 | _SINCE_7, _FORMATS_7, ref_hides_siblings=True, asserts_content=True
)
_DRAFT_2019 = Draft(2019, _KEYWORDS_6 | _SINCE_7 | _SINCE_2019 | {"$recursiveRef"}, _FORMATS_2019)
LATEST_DRAFT: Final = Draft(
    2020,
    _COMMON | _SINCE_6 | _SINCE_7 | _SINCE_2019 | {"prefixItems", "$dynamicRef"},
    _FORMATS_2019,
)
_BY_URI: Final = {
    "json-schema.org/draft-04/schema": _DRAFT_4,
    "json-schema.org/draft-06/schema": _DRAFT_6,
    "json-schema.org/draft-07/schema": _DRAFT_7,
    "json-schema.org/draft/2019-09/schema": _DRAFT_2019,
    "json-schema.org/draft/2020-12/schema": LATEST_DRAFT,
    "json-schema.org/schema": LATEST_DRAFT,
}
CONSTRAINING: Final = frozenset().union(*(draft.keywords for draft in _BY_URI.values()))
"""The keywords that constrain in any draft."""


def draft_of(schema: Any, inherited: Draft = LATEST_DRAFT) -> Draft:
    """The draft that a schema names in ``$schema``, else the inherited one.

    Raises:
        Undecidable: for a dialect that is not one of the five drafts.
    """
    uri = schema.get("$schema") if isinstance(schema, dict) else None
    if not isinstance(uri, str):
        return inherited
    bare = uri.removeprefix("https://").removeprefix("http://").rstrip("#")
    if bare not in _BY_URI:
        raise Undecidable("the schema is written in a dialect of its own ($schema)")
    return _BY_URI[bare]
