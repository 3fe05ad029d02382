"""The lenient policy: data holds only properties that its schema declares.

An open object admits any further property, so under the strict policy each property that is added
could clash with data. The lenient policy takes undeclared properties as absent: it adds to the
source schema a node that refuses them, wherever an object declares no schema for its other
properties.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, is_false
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle

__all__ = ["closing_node"]

_MOST_SHAPES: Final = 2_000
_CONTAINERS: Final = frozenset({"object", "array"})
_ITEMS: Final = ("items", "contains", "unevaluatedItems")
_REST: Final = ("additionalProperties", "unevaluatedProperties")


def closing_node(root: Node, workspace: Workspace, oracle: ContainmentOracle) -> Node:
    """A node that refuses what the schema at ``root`` does not declare, at every level.

    A property counts as declared when any subschema that may judge the object declares it.

    Raises:
        Undecidable: when the schema has too many shapes of objects.
    """
    return _Closer(workspace, oracle).close([root])


class _Closer:
    def __init__(self, workspace: Workspace, oracle: ContainmentOracle) -> None:
        self._workspace = workspace
        self._oracle = oracle
        self._names: dict[frozenset[int], str] = {}

    def close(self, nodes: Iterable[Node]) -> Node:
        """The closing of one place in the data, that all of the nodes may judge."""
        shape = {
            id(part): part
            for node in nodes
            for part in self._workspace.applied(node, conditional=True)
        }
        if not _can_nest(shape.values()):
            return {}
        key = frozenset(shape)
        if key not in self._names:
            self._define(key, list(shape.values()))
        return self._workspace.add({"$ref": f"#/$defs/{self._names[key]}"})

    def _define(self, key: frozenset[int], shape: list[Node]) -> None:
        if len(self._names) > _MOST_SHAPES:
            raise Undecidable("the schema describes too many shapes of objects")
        name = f"declared.{len(self._names)}"
        while name in self._workspace.definitions:
            name += "_"
        self._names[key] = name
        node = self._workspace.add({})
        self._workspace.definitions[name] = node
        node.update(self._object(shape))
        items = [part[keyword] for part in shape for keyword in _ITEMS if keyword in part]
        items += [item for part in shape for item in part.get("prefixItems", ())]
        if items and (closed := self.close(items)):
            node["items"] = closed

    def _object(self, shape: list[Node]) -> Node:
        rest = [part[k] for part in shape for k in _REST if part.get(k) and not is_false(part[k])]
        patterns = {p for part in shape for p in part.get("patternProperties", ())}
        names = {name for part in shape for name in part.get("properties", ())}
        return {
            "properties": {n: self.close(self._declared(shape, n) + rest) for n in sorted(names)},
            "patternProperties": {
                pattern: self.close(self._under(shape) + rest) for pattern in sorted(patterns)
            },
            "additionalProperties": self.close(rest) if rest else {"not": {}},
        }

    def _declared(self, shape: list[Node], name: str) -> list[Node]:
        found = [part["properties"][name] for part in shape if name in part.get("properties", ())]
        for part in shape:
            for pattern, node in part.get("patternProperties", {}).items():
                if self._oracle.matches(pattern, name) is not Answer.NO:
                    found.append(node)
        return found

    def _under(self, shape: list[Node]) -> list[Node]:
        # A name can match several patterns; what all of them declare is declared.
        return [node for part in shape for node in part.get("patternProperties", {}).values()]


def _can_nest(shape: Iterable[Node]) -> bool:
    """Whether the place can hold an object or an array at all, going by what is always judged."""
    return all(_CONTAINERS & set(part.get("type", _CONTAINERS)) for part in shape)
