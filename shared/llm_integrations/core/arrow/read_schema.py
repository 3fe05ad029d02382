"""The Arrow schema to read rows with, as a JSON Schema describes them."""

from __future__ import annotations

from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.jsonschema.schema_nodes import SchemaNode, SchemaNodes
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry

__all__ = ["arrow_schema"]

_DEEPEST: Final = 24
_MOST: Final = 10_000
"""Types within one schema: references can multiply without end in a small one."""

_SCALARS: Final = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "null": pa.null(),
}


def arrow_schema(schema: str | SchemaRef, *, registry: Registry | str | None = None) -> Any:
    """The pyarrow Schema to read files with, so that no reader guesses types from their first rows.

    An object without declared properties is a map. What no one type holds, as a text or an object,
    is JSON (``pa.json_()``). Every column admits null, which the plan judges.

    Args:
        schema: as ``training-row@1``.
        registry: a Registry, a URL, or None for the environment's.

    Raises:
        ConfigurationError: its rows are no objects, or it declares no properties.
        RegistryError: there is no such schema.
    """
    validator = resolve_registry(registry).validator(schema)
    nodes = SchemaNodes(Documents(validator.body, validator.resources))
    root = nodes.resolved(nodes.top)
    if isinstance(root, bool) or "object" not in nodes.meant_types(root) or not root.properties:
        raise ConfigurationError(
            f"{validator.reference} declares no properties, so there are no columns to read"
        )
    return pa.schema(_Types(nodes, root).fields(root))


class _Types:
    """Arrow types for subschemas."""

    def __init__(self, nodes: SchemaNodes, root: SchemaNode) -> None:
        self._nodes = nodes
        self._open = [root.origin]
        self._made = 0

    def fields(self, node: SchemaNode) -> list[Any]:
        return [pa.field(name, self._of(below)) for name, below in node.properties.items()]

    def _of(self, location: SchemaLocation) -> Any:
        found = self._nodes.resolved(location)
        self._made += 1
        if isinstance(found, bool):
            return pa.json_() if found else pa.null()
        node = self._without_null(found)
        if node.origin in self._open or len(self._open) > _DEEPEST or self._made > _MOST:
            return pa.json_()
        self._open.append(node.origin)
        kind = self._typed(node)
        self._open.pop()
        return kind

    def _without_null(self, node: SchemaNode) -> SchemaNode:
        """``anyOf: [X, null]`` is X: every column can hold null."""
        rest = [part for part in node.branches if self._nodes.types(part) != {"null"}]
        found = self._nodes.resolved(rest[0]) if len(rest) == 1 < len(node.branches) else True
        return node if isinstance(found, bool) else node.without("anyOf", "oneOf").over(found)

    def _typed(self, node: SchemaNode) -> Any:
        kinds = self._nodes.meant_types(node)
        kinds = kinds - {"null"} or kinds
        if "number" in kinds:
            kinds -= {"integer"}
        if len(kinds) != 1 or node.branches or node.unknown_reference:
            return pa.json_()
        [kind] = kinds
        if kind == "array":
            return self._list(node)
        return self._object(node) if kind == "object" else _SCALARS[kind]

    def _list(self, node: SchemaNode) -> Any:
        if "prefixItems" in node.keywords or isinstance(node.keywords.get("items"), list):
            return pa.list_(pa.json_())
        items = node.parts("items")
        return pa.list_(self._of(items[0]) if items else pa.json_())

    def _object(self, node: SchemaNode) -> Any:
        if node.keywords.get("patternProperties"):
            return pa.json_()
        if node.properties:
            return pa.struct(self.fields(node))
        values = node.parts("additionalProperties")
        return pa.map_(pa.string(), self._of(values[0]) if values else pa.json_())
