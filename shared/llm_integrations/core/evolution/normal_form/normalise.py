"""Rewriting a schema of any draft into nodes (see ``nodes``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from llm_integrations.core.evolution.model.limits import Budget, Limits, Undecidable, check_size
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.evolution.normal_form.nodes import (
    CONTENT,
    LISTS,
    MAPS,
    SINGLE,
    STRICT_INTEGER,
    Node,
    Workspace,
    descendants,
    json_key,
    ref_name,
    references,
    same,
)
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.drafts import CONTENT_KEYWORDS, declared_draft
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = ["Normaliser", "normalise_pair"]

_COPIED: Final = frozenset(
    {
        *("multipleOf", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems"),
        *("maxProperties", "minProperties", "minContains", "maxContains"),
    }
)
"""Keywords whose value stays as it is."""

_IN_PLACE: Final = frozenset(["$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"])
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Normaliser:
    """Turns the schemas of one Source into nodes of a Workspace.

    Args:
        source: the schema and its resources.
        workspace: where nodes and definitions go.
        formats: whether ``format`` is asserted.
    """

    def __init__(self, source: Source, workspace: Workspace, *, formats: bool) -> None:
        self._workspace = workspace
        self._formats = formats
        self._documents = Documents(source.body, source.resources)
        self._names: dict[SchemaLocation, str] = {}
        self._taken: set[str] = set()
        self._pending: list[tuple[str, SchemaLocation]] = []
        self.definitions: dict[str, Node] = {}

    def root(self) -> Node:
        """The node of the schema itself; its definitions are in ``definitions``."""
        root = self.node(self._documents.top)
        # A queue and not recursion: references can form a chain of any length.
        while self._pending:
            name, target = self._pending.pop()
            self.definitions[name] = self.node(target)
        return root

    def node(self, place: SchemaLocation) -> Node:
        self._workspace.budget.spend()
        schema = place.schema
        if schema is True:
            return self._workspace.add({}, place)
        if schema is False:
            return self._workspace.add({"not": {}}, place)
        if not isinstance(schema, dict):
            raise Undecidable("the schema holds something that is neither an object nor a boolean")
        if "$schema" in schema and declared_draft(schema) is None:
            raise Undecidable("the schema is written in a dialect of its own ($schema)")
        node: Node = {}
        if place.draft.ref_hides_siblings and "$ref" in schema:
            self._reference(node, place)
        else:
            self._fill(node, place)
        return self._workspace.add(node, place)

    def _fill(self, node: Node, place: SchemaLocation) -> None:
        for keyword, value in place.schema.items():
            if keyword not in place.draft.keywords:
                continue
            if keyword in _COPIED:
                node[keyword] = _plain_count(keyword, value)
            elif keyword in SINGLE and keyword != "items":
                node[keyword] = self.node(place.below(keyword))
            elif keyword in MAPS:
                node[keyword] = self._map(place, keyword, value)
            elif keyword in LISTS:
                node[keyword] = self._list(place, keyword, value)
            else:
                _SPECIAL[keyword](self, node, place)
        if "dependencies" in place.schema:
            self._dependencies(node, place)
        _tidy(node, place)
        self._workspace.unenforced |= CONTENT in node

    def _map(self, place: SchemaLocation, keyword: str, value: dict[str, Any]) -> dict[str, Node]:
        return {name: self.node(place.below(keyword, name)) for name in value}

    def _list(self, place: SchemaLocation, keyword: str, value: list[Any]) -> list[Node]:
        return [self.node(place.below(keyword, index)) for index in range(len(value))]

    def _type(self, node: Node, place: SchemaLocation) -> None:
        value = place.schema["type"]
        names = [value] if isinstance(value, str) else sorted(set(value))
        node["type"] = names
        if place.draft.strict_integer and "integer" in names and "number" not in names:
            node[STRICT_INTEGER] = self._workspace.unenforced = True

    def _values(self, node: Node, place: SchemaLocation) -> None:
        schema = place.schema
        if "const" not in schema or "const" not in place.draft.keywords:
            node["enum"] = list(schema["enum"])
            return
        constant = json_key(schema["const"])
        wanted = "enum" not in schema or constant in {json_key(item) for item in schema["enum"]}
        if wanted:
            node["enum"] = [schema["const"]]
        else:
            _also(node, self._workspace.add({"not": {}}))

    def _format(self, node: Node, place: SchemaLocation) -> None:
        if self._formats and place.schema["format"] in place.draft.formats:
            node["format"] = place.schema["format"]

    def _items(self, node: Node, place: SchemaLocation) -> None:
        value = place.schema["items"]
        if not isinstance(value, list):
            node["items"] = self.node(place.below("items"))
            return
        node["prefixItems"] = self._list(place, "items", value)
        if "additionalItems" in place.schema:
            node["items"] = self.node(place.below("additionalItems"))

    def _dependencies(self, node: Node, place: SchemaLocation) -> None:
        """``dependencies`` is asserted by every draft; later ones split it in two."""
        required = dict(place.schema.get("dependentRequired", {})) if _splits(place) else {}
        schemas = dict(node.get("dependentSchemas", {}))
        for name, value in place.schema.get("dependencies", {}).items():
            if isinstance(value, list):
                required[name] = sorted({*required.get(name, ()), *value})
            else:
                child = self.node(place.below("dependencies", name))
                both = [schemas[name], child] if name in schemas else None
                schemas[name] = self._workspace.add({"allOf": both}) if both else child
        if required:
            node["dependentRequired"] = required
        if schemas:
            node["dependentSchemas"] = schemas

    def _dependent_required(self, node: Node, place: SchemaLocation) -> None:
        if "dependencies" not in place.schema:
            node["dependentRequired"] = place.schema["dependentRequired"]

    def _reference(self, node: Node, place: SchemaLocation) -> None:
        self._refer(node, self._target(place, "$ref"))

    def _dynamic(self, node: Node, place: SchemaLocation) -> None:
        keyword = "$recursiveRef" if "$recursiveRef" in place.draft.keywords else "$dynamicRef"
        extra: Node = {}
        self._refer(extra, self._target(place, keyword))
        _also(node, self._workspace.add(extra))

    def _target(self, place: SchemaLocation, keyword: str) -> SchemaLocation:
        target = self._documents.follow(place, keyword)
        if target is None:
            raise Undecidable(f"a {keyword} names a schema that is not at hand, or several")
        return target

    def _refer(self, node: Node, target: SchemaLocation) -> None:
        if target not in self._names:
            self._names[target] = self._name(target)
            self._pending.append((self._names[target], target))
        node["$ref"] = f"#/$defs/{self._names[target]}"

    def _name(self, target: SchemaLocation) -> str:
        last = target.pointer.rpartition("/")[2] or target.document.rpartition("/")[2] or "root"
        wanted = _UNSAFE.sub("_", last) or "_"
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}.{count}"
        self._taken.add(name)
        return name

    def _nothing(self, node: Node, place: SchemaLocation) -> None:
        """Read together with another keyword."""


_SPECIAL: Final[dict[str, Callable[[Normaliser, Node, SchemaLocation], None]]] = {
    **dict.fromkeys(CONTENT_KEYWORDS, Normaliser._nothing),
    "type": Normaliser._type,
    "enum": Normaliser._values,
    "const": Normaliser._values,
    "format": Normaliser._format,
    "items": Normaliser._items,
    "additionalItems": Normaliser._nothing,
    "dependencies": Normaliser._nothing,
    "dependentRequired": Normaliser._dependent_required,
    "required": lambda _, node, place: node.update(required=sorted(set(place.schema["required"]))),
    "$ref": Normaliser._reference,
    "$dynamicRef": Normaliser._dynamic,
    "$recursiveRef": Normaliser._dynamic,
}


_ALSO: Final = "!also"


def _also(node: Node, extra: Node) -> None:
    """Demand ``extra`` too; it joins ``allOf`` once the node is complete."""
    node.setdefault(_ALSO, []).append(extra)


def _plain_count(keyword: str, value: Any) -> Any:
    """``maxLength: 2.0`` is allowed, and means 2."""
    if isinstance(value, float) and keyword.startswith(("max", "min")) and value.is_integer():
        return int(value)
    return value


def _splits(place: SchemaLocation) -> bool:
    return "dependentRequired" in place.draft.keywords


def _tidy(node: Node, place: SchemaLocation) -> None:
    """Drop keywords that constrain nothing, and write the others in one form."""
    if _ALSO in node:
        node["allOf"] = [*node.get("allOf", ()), *node.pop(_ALSO)]
    if place.draft.exclusive_flags:
        _exclusive_flags(node)
    words = CONTENT_KEYWORDS & place.draft.keywords & place.schema.keys()
    content = {word: place.schema[word] for word in words}
    if content and not (place.draft.ref_hides_siblings and "$ref" in place.schema):
        node[CONTENT] = content
    if node.keys() & _ACCOMPANYING:
        _drop_lonely(node)
    for keyword in _EMPTY_IS_NOTHING & node.keys():
        if not node[keyword]:
            del node[keyword]
    _unevaluated(node)


def _drop_lonely(node: Node) -> None:
    """Keywords that mean nothing without another."""
    for head, companions in _COMPANIONS.items():
        if head not in node or (head == "if" and not companions & node.keys()):
            for keyword in (head, *companions):
                node.pop(keyword, None)


_COMPANIONS: Final = {
    "if": frozenset({"then", "else"}),
    "contains": frozenset({"minContains", "maxContains"}),
}
_ACCOMPANYING: Final = frozenset({"if", "then", "else", "minContains", "maxContains"})
_EMPTY_IS_NOTHING: Final = frozenset(
    {"required", "patternProperties", "dependentRequired", "uniqueItems"}
)
"""Not ``properties``: with none of them an object is a class without fields, and no map."""


def _exclusive_flags(node: Node) -> None:
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if node.pop(flag, False) is True and bound in node:
            node[flag] = node.pop(bound)


def _unevaluated(node: Node) -> None:
    """Without a neighbour that evaluates, unevaluated means additional."""
    if _IN_PLACE & node.keys():
        return
    if "unevaluatedProperties" in node:
        node.setdefault("additionalProperties", node.pop("unevaluatedProperties"))
        node.pop("unevaluatedProperties", None)
    if "unevaluatedItems" in node and "contains" not in node:
        node.setdefault("items", node.pop("unevaluatedItems"))
        node.pop("unevaluatedItems", None)


def normalise_pair(
    old: Source, new: Source, *, formats: bool, limits: Limits
) -> tuple[Workspace, Node, Node]:
    """Both schemas as nodes of one workspace, where equal definitions share a name.

    So two nodes with equal text mean the same, whichever side they come from.

    Raises:
        Undecidable: when a schema is too large, or written in a way that has no nodes.
    """
    workspace = Workspace(Budget(limits))
    sides: list[tuple[Normaliser, Node]] = []
    for source in (old, new):
        check_size(source.body, limits)
        for body in source.resources.values():
            check_size(body, limits)
        normaliser = Normaliser(source, workspace, formats=formats)
        sides.append((normaliser, normaliser.root()))
    (first, old_root), (second, new_root) = sides
    shared = _shared_names(first.definitions, second.definitions)
    workspace.definitions.update(first.definitions)
    taken = {*first.definitions, *second.definitions}
    renamed = {name: _fresh(name, taken) for name in sorted(second.definitions.keys() - shared)}
    for root in (new_root, *second.definitions.values()):
        _rename(root, renamed)
    workspace.definitions.update(
        (renamed.get(name, name), node)
        for name, node in second.definitions.items()
        if name not in shared
    )
    return workspace, old_root, new_root


def _shared_names(first: dict[str, Node], second: dict[str, Node]) -> set[str]:
    """Names that mean the same on both sides: equal text, and so does all that they refer to."""
    shared = {name for name in first.keys() & second.keys() if same(first[name], second[name])}
    users: dict[str, list[str]] = {}
    for name in shared:
        for used in references(first[name]):
            users.setdefault(used, []).append(name)
    differing = [used for used in users if used not in shared]
    while differing:
        for name in users.get(differing.pop(), ()):
            if name in shared:
                shared.remove(name)
                differing.append(name)
    return shared


def _fresh(name: str, taken: set[str]) -> str:
    fresh = f"{name}.new"
    while fresh in taken:
        fresh += "_"
    taken.add(fresh)
    return fresh


def _rename(root: Node, renamed: dict[str, str]) -> None:
    """Let references use the names that definitions have now."""
    for node in descendants(root):
        if (name := ref_name(node)) in renamed:
            node["$ref"] = f"#/$defs/{renamed[name]}"
