"""A JSON Schema as Features."""

from __future__ import annotations

from typing import Any, Final

from datasets import Features, Json, List, Value
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.jsonschema.schema_nodes import SchemaNode, SchemaNodes
from llm_integrations.core.jsonschema.stated_types import ALL_TYPES
from llm_integrations.datasets.features.losses import Losses
from llm_integrations.datasets.features.to_schema import INTEGERS

__all__ = ["features_of"]

_MAX_DEPTH: Final = 24
_MAX_FEATURES: Final = 10_000
"""Features of one schema: references can multiply without end in a small schema."""

_ANNOTATIONS: Final = frozenset(
    {
        "$schema", "$id", "id", "$comment", "$anchor", "$dynamicAnchor", "$recursiveAnchor",
        "$defs", "definitions", "title", "description", "default", "examples", "deprecated",
        "readOnly", "writeOnly",
    }
)  # fmt: skip
_SCALARS: Final = {"string": "string", "number": "float64", "boolean": "bool", "null": "null"}


def features_of(documents: Documents, losses: Losses) -> Features:
    """The columns of rows that a schema describes.

    Raises:
        ConfigurationError: its rows are no objects, or it declares no properties.
    """
    nodes = SchemaNodes(documents)
    root = nodes.resolved(nodes.top)
    if isinstance(root, bool) or "object" not in nodes.meant_types(root):
        raise ConfigurationError("features come of a schema whose rows are objects")
    if not root.properties:
        raise ConfigurationError("the schema declares no properties, so there are no columns")
    return Features(_Conversion(nodes, losses, root).fields(root, ""))


class _Conversion:
    def __init__(self, nodes: SchemaNodes, losses: Losses, root: SchemaNode) -> None:
        self._nodes = nodes
        self._losses = losses
        self._ancestors: list[SchemaLocation] = [root.origin]
        self._made = 0

    def feature(self, location: SchemaLocation, path: str) -> Any:
        node = self._nodes.resolved(location)
        if node is False:
            self._losses.add(path, "false", "no value is allowed; the column holds nulls")
            return Value("null")
        if node is True or not node.keywords.keys() - _ANNOTATIONS:
            return Json()
        self._made += 1
        if self._made > _MAX_FEATURES or len(self._ancestors) > _MAX_DEPTH:
            return self._mixed(path, "$ref", "its references multiply without end")
        if node.unknown_reference:
            return self._mixed(path, "$ref", "it leads out of this schema or round in a circle")
        node = self._without_null(node, path)
        if node.origin in self._ancestors:
            return self._mixed(path, "$ref", "it contains itself")
        self._ancestors.append(node.origin)
        made = self._typed(node, path)
        self._ancestors.pop()
        return made

    def _without_null(self, node: SchemaNode, path: str) -> SchemaNode:
        """``anyOf: [X, null]`` is X: every column can hold null."""
        members = node.branches
        rest = [member for member in members if self._nodes.types(member) != {"null"}]
        found = self._nodes.resolved(rest[0]) if len(rest) == 1 < len(members) else True
        if isinstance(found, bool):
            return node
        self._losses.add(path, "null", "columns do not tell null from a missing value")
        return node.without("anyOf", "oneOf").over(found)

    def _typed(self, node: SchemaNode, path: str) -> Any:
        kinds = self._nodes.meant_types(node)
        if "null" in kinds and kinds not in (ALL_TYPES, frozenset({"null"})):
            self._losses.add(path, "null", "columns do not tell null from a missing value")
            kinds -= {"null"}
        if "number" in kinds:
            kinds -= {"integer"}
        if len(kinds) != 1 or node.branches:
            return self._mixed(path, "several types", "one column has one type")
        [kind] = kinds
        if kind == "object":
            return self._object(node, path)
        if kind == "array":
            return self._array(node, path)
        return self._scalar(kind, node, path)

    def _mixed(self, path: str, what: str, why: str) -> Json:
        self._losses.add(path, what, f"{why}: kept as JSON")
        return Json()

    def _scalar(self, kind: str, node: SchemaNode, path: str) -> Value:
        if kind != "integer":
            self._note_losses(node, path, {"type"})
            return Value(_SCALARS[kind])
        bounds = (node.keywords.get("minimum"), node.keywords.get("maximum"))
        for dtype, limits in INTEGERS.items():
            if bounds == limits:
                self._note_losses(node, path, {"type", "minimum", "maximum"})
                return Value(dtype)
        self._note_losses(node, path, {"type"})
        self._losses.add(path, "integer", "a column holds integers of 64 bits at the most")
        return Value("int64")

    def _array(self, node: SchemaNode, path: str) -> Any:
        if "prefixItems" in node.keywords or isinstance(node.keywords.get("items"), list):
            return self._mixed(path, "prefixItems", "the items of a column's lists are of one type")
        items = node.parts("items")
        inner = self.feature(items[0], f"{path}/*") if items else Json()
        length = node.keywords.get("minItems")
        if isinstance(length, int) and length == node.keywords.get("maxItems"):
            self._note_losses(node, path, {"type", "items", "minItems", "maxItems"})
            return List(inner, length=length)
        self._note_losses(node, path, {"type", "items"})
        return List(inner)

    def _object(self, node: SchemaNode, path: str) -> Any:
        if not node.properties:
            return self._mixed(path, "object", "it declares no properties")
        if node.keywords.get("patternProperties"):
            return self._mixed(path, "patternProperties", "a struct's fields have fixed names")
        return self.fields(node, path)

    def fields(self, node: SchemaNode, path: str) -> dict[str, Any]:
        closed = node.keywords.get("additionalProperties") is False
        if not closed:
            self._losses.add(
                path, "additionalProperties", "properties that are not declared have no column"
            )
        self._note_losses(node, path, {"type", "properties", "additionalProperties"})
        return {
            name: self.feature(below, path + to_pointer([name]))
            for name, below in node.properties.items()
        }

    def _note_losses(self, node: SchemaNode, path: str, expressed: set[str]) -> None:
        """Note the keywords that the feature does not express."""
        for keyword in sorted(node.keywords.keys() - expressed - _ANNOTATIONS):
            self._losses.add(path, keyword, "features have no such rule; validate_dataset holds it")
