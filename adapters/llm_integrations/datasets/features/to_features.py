"""A JSON Schema as Features."""

from __future__ import annotations

from typing import Any, Final

from datasets import Features, Json, List, Value
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.datasets.features.losses import Losses
from llm_integrations.datasets.features.schema_nodes import TYPES, SchemaNodes
from llm_integrations.datasets.features.to_schema import INTEGERS

__all__ = ["features_of"]

_DEPTH: Final = 24
_ANNOTATIONS: Final = frozenset(
    {
        "$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title", "description",
        "default", "examples", "deprecated", "readOnly", "writeOnly",
    }
)  # fmt: skip
_SCALARS: Final = {"string": "string", "number": "float64", "boolean": "bool", "null": "null"}


def features_of(body: JsonSchema, losses: Losses) -> Features:
    """The columns of rows that a schema describes.

    Raises:
        ConfigurationError: its rows are no objects, or it declares no properties.
    """
    nodes = SchemaNodes(body)
    root = nodes.root
    if not isinstance(root, dict) or "object" not in nodes.meant_type(root):
        raise ConfigurationError("features come of a schema whose rows are objects")
    if not root.get("properties"):
        raise ConfigurationError("the schema declares no properties, so there are no columns")
    return Features(_Conversion(nodes, losses).fields(root, "", 0))


class _Conversion:
    def __init__(self, nodes: SchemaNodes, losses: Losses) -> None:
        self._nodes = nodes
        self._losses = losses

    def feature(self, raw: Any, path: str, depth: int) -> Any:
        node = self._nodes.resolved(raw)
        if node is False:
            self._losses.add(path, "false", "no value is allowed; the column holds nulls")
            return Value("null")
        if node is True or not node.keys() - _ANNOTATIONS:
            return Json()
        if depth > _DEPTH:
            return self._mixed(path, "$ref", "it contains itself")
        if "$ref" in node:
            return self._mixed(path, "$ref", "it leads out of this schema or round in a circle")
        return self._typed(self._without_null(node, path), path, depth)

    def _without_null(self, node: dict[str, Any], path: str) -> dict[str, Any]:
        """``anyOf: [X, null]`` is X: every column can hold null."""
        members = self._nodes.branches(node)
        rest = [m for m in members if self._nodes.types(m) != {"null"}]
        if len(rest) != 1 or len(members) == 1:
            return node
        found = self._nodes.resolved(rest[0])
        if not isinstance(found, dict):
            return node
        self._losses.add(path, "null", "columns do not tell null from a missing value")
        outer = {key: value for key, value in node.items() if key not in ("anyOf", "oneOf")}
        return {**found, **outer}

    def _typed(self, node: dict[str, Any], path: str, depth: int) -> Any:
        kinds = self._nodes.meant_type(node)
        if "null" in kinds and kinds not in (frozenset(TYPES), frozenset({"null"})):
            self._losses.add(path, "null", "columns do not tell null from a missing value")
            kinds -= {"null"}
        if "number" in kinds:
            kinds -= {"integer"}
        if len(kinds) != 1 or self._nodes.branches(node):
            return self._mixed(path, "several types", "one column has one type")
        [kind] = kinds
        if kind == "object":
            return self._object(node, path, depth)
        if kind == "array":
            return self._array(node, path, depth)
        return self._scalar(kind, node, path)

    def _mixed(self, path: str, what: str, why: str) -> Json:
        self._losses.add(path, what, f"{why}: kept as JSON")
        return Json()

    def _scalar(self, kind: str, node: dict[str, Any], path: str) -> Value:
        if kind != "integer":
            self._others(node, path, {"type"})
            return Value(_SCALARS[kind])
        bounds = (node.get("minimum"), node.get("maximum"))
        for dtype, limits in INTEGERS.items():
            if bounds == limits:
                self._others(node, path, {"type", "minimum", "maximum"})
                return Value(dtype)
        self._others(node, path, {"type"})
        self._losses.add(path, "integer", "a column holds integers of 64 bits at the most")
        return Value("int64")

    def _array(self, node: dict[str, Any], path: str, depth: int) -> Any:
        if "prefixItems" in node or isinstance(node.get("items"), list):
            return self._mixed(path, "prefixItems", "the items of a column's lists are of one type")
        inner = self.feature(node.get("items", True), f"{path}/*", depth + 1)
        length = node.get("minItems")
        if isinstance(length, int) and length == node.get("maxItems"):
            self._others(node, path, {"type", "items", "minItems", "maxItems"})
            return List(inner, length=length)
        self._others(node, path, {"type", "items"})
        return List(inner)

    def _object(self, node: dict[str, Any], path: str, depth: int) -> Any:
        if not node.get("properties"):
            return self._mixed(path, "object", "it declares no properties")
        if node.get("patternProperties"):
            return self._mixed(path, "patternProperties", "a struct's fields have fixed names")
        return self.fields(node, path, depth)

    def fields(self, node: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        closed = node.get("additionalProperties") is False
        if not closed:
            self._losses.add(
                path, "additionalProperties", "properties that are not declared have no column"
            )
        self._others(node, path, {"type", "properties", "additionalProperties"})
        return {
            name: self.feature(below, f"{path}/{_token(name)}", depth + 1)
            for name, below in node["properties"].items()
        }

    def _others(self, node: dict[str, Any], path: str, said: set[str]) -> None:
        """The keywords that a feature does not say."""
        for keyword in sorted(node.keys() - said - _ANNOTATIONS):
            self._losses.add(path, keyword, "features have no such rule; validate_dataset holds it")


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
