"""What the drafts of JSON Schema say differently, as data.

Checked against jsonschema-rs, which is what judges data: a keyword or a format counts in a draft
if, and only if, the engine asserts it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "CONSTRAINING",
    "CONTENT_KEYWORDS",
    "LATEST_DRAFT",
    "OLDER_DRAFTS",
    "Draft",
    "declared_draft",
]

CONTENT_KEYWORDS: Final = frozenset(["contentEncoding", "contentMediaType"])
_COMMON: Final = frozenset(
    {"$ref", "type", "enum", "allOf", "anyOf", "oneOf", "not", "dependencies", "required"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "pattern", "format"}
    | {"items", "uniqueItems", "minItems", "maxItems"}
    | {"properties", "patternProperties", "additionalProperties", "minProperties", "maxProperties"}
)
_SINCE_6: Final = frozenset(["const", "contains", "propertyNames"])
_SINCE_7: Final = frozenset(["if", "then", "else"])
_SINCE_2019: Final = frozenset(
    {"dependentRequired", "dependentSchemas", "minContains", "maxContains"}
    | {"unevaluatedProperties", "unevaluatedItems"}
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
        keywords: those that can make data invalid; every other word has no effect.
        formats: the ones that are asserted when formats are.
        id_keyword: ``id`` or ``$id``.
        anchors: the keywords that name a subschema; before 2019-09 an id of ``#name`` does.
        ref_hides_siblings: whether nothing beside ``$ref`` counts.
        strict_integer: whether 1.0 is no integer.
        exclusive_flags: whether exclusiveMinimum is a boolean beside minimum.
    """

    number: int
    keywords: frozenset[str]
    formats: frozenset[str]
    id_keyword: str = "$id"
    anchors: frozenset[str] = frozenset()
    ref_hides_siblings: bool = False
    strict_integer: bool = False
    exclusive_flags: bool = False


_KEYWORDS_4: Final = _COMMON | {"additionalItems"}
_DRAFT_4: Final = Draft(
    4,
    _KEYWORDS_4,
    _FORMATS_4,
    id_keyword="id",
    ref_hides_siblings=True,
    strict_integer=True,
    exclusive_flags=True,
)
_KEYWORDS_6: Final = _KEYWORDS_4 | _SINCE_6
_DRAFT_6: Final = Draft(6, _KEYWORDS_6 | CONTENT_KEYWORDS, _FORMATS_6, ref_hides_siblings=True)
_KEYWORDS_7: Final = _KEYWORDS_6 | _SINCE_7
_DRAFT_7: Final = Draft(7, _KEYWORDS_7 | CONTENT_KEYWORDS, _FORMATS_7, ref_hides_siblings=True)
_DRAFT_2019: Final = Draft(
    2019,
    _KEYWORDS_7 | _SINCE_2019 | {"$recursiveRef"},
    _FORMATS_2019,
    anchors=frozenset({"$anchor"}),
)
LATEST_DRAFT: Final = Draft(
    2020,
    _COMMON | _SINCE_6 | _SINCE_7 | _SINCE_2019 | {"prefixItems", "$dynamicRef"},
    _FORMATS_2019,
    anchors=frozenset({"$anchor", "$dynamicAnchor"}),
)
_BY_URI: Final = {
    "json-schema.org/draft-04/schema": _DRAFT_4,
    "json-schema.org/draft-06/schema": _DRAFT_6,
    "json-schema.org/draft-07/schema": _DRAFT_7,
    "json-schema.org/draft/2019-09/schema": _DRAFT_2019,
    "json-schema.org/draft/2020-12/schema": LATEST_DRAFT,
    "json-schema.org/schema": LATEST_DRAFT,
}
OLDER_DRAFTS: Final = (
    ("draft 7", "http://json-schema.org/draft-07/schema#"),
    ("draft 2019-09", "https://json-schema.org/draft/2019-09/schema"),
    ("draft 4", "http://json-schema.org/draft-04/schema#"),
)
"""By what a schema that names no draft may be meant, the most likely first; draft 7 has all that
draft 6 has."""

CONSTRAINING: Final = frozenset().union(*(draft.keywords for draft in _BY_URI.values()))
"""The keywords that constrain in any draft."""


def declared_draft(schema: Any, inherited: Draft = LATEST_DRAFT) -> Draft | None:
    """The draft that a schema names in ``$schema``, the inherited one if it names none; None for a
    dialect that is not one of the five drafts."""
    uri = schema.get("$schema") if isinstance(schema, dict) else None
    if uri is None:
        return inherited
    if not isinstance(uri, str):
        return None
    return _BY_URI.get(uri.removeprefix("https://").removeprefix("http://").removesuffix("#"))
