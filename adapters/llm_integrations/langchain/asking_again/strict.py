"""A schema in the subsets that providers hold their models to, and what was widened for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from llm_integrations.core.errors import ConfigurationError

__all__ = ["PROVIDERS", "Provider", "Subset", "subset_for", "without_added_nulls"]

Provider: TypeAlias = Literal["openai", "anthropic", "google"]
PROVIDERS: Final = ("openai", "anthropic", "google")

_ALL: Final = frozenset(
    {"type", "title", "description", "enum", "const", "format", "anyOf", "$ref", "$defs"}
    | {"definitions", "properties", "required", "additionalProperties", "items"}
)
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "openai": _ALL
    | {"pattern", "minItems", "maxItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "anthropic": _ALL | {"default"},
    "google": _ALL | {"minItems", "maxItems", "minimum", "maximum", "prefixItems"},
}
_SAYS_NOTHING: Final = frozenset(
    {"default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "$schema", "$id"}
)
_OF_NAMED: Final = ("properties", "$defs", "definitions")
_OF_LISTS: Final = ("anyOf", "prefixItems")
_MOST_TOLD: Final = 120
_DEPTH: Final = 200
"""Of answers: what is nested deeper is judged as it is."""
_HAS_TYPE: Final = frozenset({"type", "anyOf", "$ref"})
_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    list: "array",
    dict: "object",
}
_ABOUT: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"}),
    "string": frozenset({"pattern", "minLength", "maxLength", "format"}),
    "number": frozenset(
        {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    ),
}


@dataclass(slots=True)
class Subset:
    """A schema that a provider takes.

    Attributes:
        schema: as it is sent.
        widened: what it no longer says, as ``minLength at /name``; answers are judged by all of it.
        nullable: pointers of properties that were optional and are null instead of left out; those
            of a definition begin with its name, as ``#pet/age``.
        refers: the definitions that each place refers to.
    """

    schema: dict[str, Any]
    widened: list[str] = field(default_factory=list)
    nullable: set[str] = field(default_factory=set)
    refers: dict[str, set[str]] = field(default_factory=dict)

    def followed(self, places: set[str]) -> set[str]:
        """Places with those that they refer to."""
        found, waiting = set(places), list(places)
        while waiting:
            new = self.refers.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found


def subset_for(schema: Mapping[str, Any], provider: Provider) -> Subset:
    """Rewrite a schema for one provider's strict mode.

    Every object is closed, and for OpenAI every property required: one that was optional may be
    null. Keywords that the provider does not take are told to the model in the description.
    Strict modes want a type everywhere: where there is none it is the one that the keywords are
    about.

    Raises:
        ConfigurationError: it has maps, or places of any type, which no strict mode can ask for.
    """
    found = Subset({})
    found.schema = _Rewriting(provider, found).schema(dict(schema), "")
    found.widened = list(dict.fromkeys(found.widened))
    return found


class _Rewriting:
    """One schema on its way into a subset."""

    def __init__(self, provider: Provider, found: Subset) -> None:
        self._provider = provider
        self._allowed = _ALLOWED[provider]
        self._found = found

    def schema(self, given: Any, path: str) -> Any:
        if not isinstance(given, dict):
            given = {} if given is True else {"not": {}}
        merged = self._unions(given, path)
        kept: dict[str, Any] = {}
        dropped: list[str] = []
        for key, value in merged.items():
            if key in _OF_NAMED and isinstance(value, dict):
                kept[key] = {
                    name: self.schema(
                        inner, f"{path}/{name}" if key == "properties" else f"#{name}"
                    )
                    for name, inner in value.items()
                }
            elif key in _OF_LISTS and key in self._allowed and isinstance(value, list):
                kept[key] = [self.schema(inner, path) for inner in value]
            elif key == "$ref":
                kept[key] = value
                self._found.refers.setdefault(path, set()).add(_place(str(value)))
            elif key == "items":
                kept[key] = self.schema(value, f"{path}/*")
            elif key in self._allowed:
                kept[key] = value
            elif key not in _SAYS_NOTHING:
                self._found.widened.append(f"{key} at {path or '(root)'}")
                dropped.append(f"{key}: {json.dumps(value)}"[:_MOST_TOLD])
        if dropped:
            kept["description"] = f"{kept.get('description', '')} ({'; '.join(dropped)})".strip()
        return self._typed(kept, merged, path)

    def _typed(self, kept: dict[str, Any], given: dict[str, Any], path: str) -> dict[str, Any]:
        """With a type; Anthropic takes one at a time."""
        if not _HAS_TYPE & kept.keys() and self._provider != "google":
            kept["type"] = _type_meant(given, path)
        kinds = kept.get("type")
        if isinstance(kinds, list) and self._provider == "anthropic":
            return {"anyOf": [self._typed(_of_kind(kept, kind), given, path) for kind in kinds]}
        return self._object(kept, path) if _is_object(kept) else kept

    def _unions(self, given: dict[str, Any], path: str) -> dict[str, Any]:
        """oneOf as anyOf, which is wider; allOf merged where only properties are added."""
        merged = dict(given)
        if "oneOf" in merged and "anyOf" not in merged:
            merged["anyOf"] = merged.pop("oneOf")
            self._found.widened.append(f"oneOf (as anyOf) at {path or '(root)'}")
        branches = merged.get("allOf")
        if isinstance(branches, list) and all(isinstance(branch, dict) for branch in branches):
            whole = _together([{k: v for k, v in merged.items() if k != "allOf"}, *branches])
            return merged if whole is None else self._unions(whole, path)
        return merged

    def _object(self, kept: dict[str, Any], path: str) -> dict[str, Any]:
        properties = kept.get("properties", {})
        if not properties and kept.get("additionalProperties") is not False:
            raise ConfigurationError(
                f"{path or '(root)'} is a map or an open object, which strict cannot ask for; "
                f"declare its properties, or leave strict out"
            )
        kept["additionalProperties"] = False
        if self._provider == "openai":
            required = kept.get("required", [])
            kept["properties"] = {
                name: inner if name in required else self._nullable(inner, f"{path}/{name}")
                for name, inner in properties.items()
            }
            kept["required"] = list(properties)
        return kept

    def _nullable(self, inner: Any, path: str) -> Any:
        if _takes_null(inner):
            return inner
        self._found.nullable.add(path)
        kind = inner.get("type") if isinstance(inner, dict) else None
        if isinstance(kind, str) and not {"enum", "const"} & inner.keys():
            return {**inner, "type": [kind, "null"]}
        return {"anyOf": [inner, {"type": "null"}]}


def _of_kind(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    """A schema without what is about other kinds: each would grow by the whole of the others."""
    own = _ABOUT.get("number" if kind == "integer" else kind, frozenset())
    others = frozenset().union(*_ABOUT.values()) - own
    return {**{key: value for key, value in schema.items() if key not in others}, "type": kind}


def _place(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return "" if reference == "#" else f"#{name}"


def _together(branches: list[dict[str, Any]]) -> dict[str, Any] | None:
    """One schema that says what all say; None where two say different things of one keyword."""
    whole: dict[str, Any] = {}
    for branch in branches:
        for key, value in branch.items():
            if key not in whole or whole[key] == value or key in ("title", "description"):
                whole.setdefault(key, value)
            elif key == "required":
                whole[key] = list(dict.fromkeys([*whole[key], *value]))
            elif key == "properties" and not whole[key].keys() & value.keys():
                whole[key] = {**whole[key], **value}
            else:
                return None
    return whole


def _type_meant(schema: dict[str, Any], path: str) -> str | list[str]:
    """The type of what has none: of its values, or the one that its keywords are about."""
    values = [schema["const"]] if "const" in schema else schema.get("enum") or []
    kinds = list(dict.fromkeys(_TYPES[type(value)] for value in values))
    kinds = kinds or [kind for kind, keywords in _ABOUT.items() if keywords & schema.keys()]
    if not kinds:
        raise ConfigurationError(
            f"{path or '(root)'} may be of any type, which a strict schema cannot ask for; give it "
            f"a type, or ask without strict, by method='function_calling'"
        )
    return kinds[0] if len(kinds) == 1 else kinds


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    return "object" in kinds or (kind is None and "properties" in schema)


def _takes_null(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return True
    kind = schema.get("type", "null" if schema.keys() <= {"title", "description"} else "")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    return any(_takes_null(inner) for inner in schema.get("anyOf", ()) if isinstance(inner, dict))


def without_added_nulls(value: Any, subset: Subset) -> Any:
    """An answer without the nulls that stand for optional properties that were left out."""
    return _without(value, subset, {""}, _DEPTH) if subset.nullable else value


def _without(value: Any, subset: Subset, places: set[str], depth: int) -> Any:
    if not (depth and isinstance(value, dict | list)):
        return value
    places = subset.followed(places)
    if isinstance(value, dict):
        at = {name: {f"{place}/{name}" for place in places} for name in value}
        return {
            name: _without(inner, subset, at[name], depth - 1)
            for name, inner in value.items()
            if inner is not None or not at[name] & subset.nullable
        }
    below = {f"{place}/*" for place in places}
    return [_without(item, subset, below, depth - 1) for item in value]
