"""The lenient policy: data holds only properties that its schema declares.

An open object admits any further property, so under the strict policy each property that is added
could clash with data. The lenient policy takes undeclared properties as absent: it adds to the
source schema a node that refuses them, wherever an object declares some properties and no schema
for the others. An object that may declare none is a map: its keys are data, and none of them is
ever declared. The whole of a document that says nothing but that it is an object is no map yet:
what the other side declares is taken to be new there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, is_false
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle
from llm_integrations.core.evolution.verdict.object_forms import ObjectForms

__all__ = ["closing_node"]

_MOST_SHAPES: Final = 2_000
_ITEMS: Final = ("items", "contains", "unevaluatedItems")
_REST: Final = ("additionalProperties", "unevaluatedProperties")
_ABOUT_PROPERTIES: Final = frozenset({*_REST, "properties", "patternProperties", "propertyNames"})


def closing_node(root: Node, reader: Node, workspace: Workspace, oracle: ContainmentOracle) -> Node:
    """A node that refuses what the schema at ``root`` does not declare, at every level.

    A property counts as declared when any subschema that may judge the object declares it.

    Args:
        reader: the root of the other schema.

    Raises:
        Undecidable: when the schema has too many shapes of objects.
    """
    closer = _Closer(workspace, oracle)
    closed = closer.close([root])
    closer.define_all()
    if not closer.is_blank(root):
        return closed
    declared = [part.get("properties", {}) for part in workspace.applied(reader, conditional=True)]
    new: Node = {"properties": {name: {"not": {}} for names in declared for name in sorted(names)}}
    return workspace.both(closed, workspace.add(new)) if new["properties"] else closed


class _Closer:
    def __init__(self, workspace: Workspace, oracle: ContainmentOracle) -> None:
        self._workspace = workspace
        self._oracle = oracle
        self._forms = ObjectForms(workspace)
        self._names: dict[tuple[frozenset[int], bool], str] = {}
        self._pending: list[tuple[Node, list[Node], bool]] = []

    def close(self, nodes: Sequence[Node], others: Sequence[Node] = ()) -> Node:
        """The closing of one place in the data.

        Args:
            nodes: each of them judges the place in some data.
            others: they may judge it too.
        """
        # A reference says nothing itself: with it, each place that has one had a shape of its own.
        parts = (
            part
            for node in (*nodes, *others)
            for part in self._workspace.applied(node, conditional=True)
            if part.keys() != {"$ref"}
        )
        shape = {id(part): part for part in map(self._workspace.canonical, parts)}
        if not any(self._forms.can_nest(node) for node in (*nodes, *others)):
            return {}
        is_map = any(self._forms.is_map(node) for node in nodes or others)
        key = frozenset(shape), is_map
        if key not in self._names:
            self._define(key, list(shape.values()))
        return self._workspace.add({"$ref": f"#/$defs/{self._names[key]}"})

    def is_blank(self, node: Node) -> bool:
        """Whether objects may be anything, and nothing is said about their properties."""
        parts = self._workspace.applied(node, conditional=True)
        return self._forms.is_map(node) and not any(
            _ABOUT_PROPERTIES & part.keys() for part in parts
        )

    def _define(self, key: tuple[frozenset[int], bool], shape: list[Node]) -> None:
        if len(self._names) > _MOST_SHAPES:
            raise Undecidable("the schema describes too many shapes of objects")
        name = f"declared.{len(self._names)}"
        while name in self._workspace.definitions:
            name += "_"
        self._names[key] = name
        node = self._workspace.add({})
        self._workspace.definitions[name] = node
        self._pending.append((node, shape, key[1]))

    def define_all(self) -> None:
        """Fill in the definitions; a queue, as references can form a chain of any length."""
        while self._pending:
            self._fill(*self._pending.pop())

    def _fill(self, node: Node, shape: list[Node], is_map: bool) -> None:
        node.update(self._object(shape, is_map))
        items = [part[keyword] for part in shape for keyword in _ITEMS if keyword in part]
        items += [item for part in shape for item in part.get("prefixItems", ())]
        if items and (closed := self.close(items)):
            node["items"] = closed

    def _object(self, shape: list[Node], is_map: bool) -> Node:
        rest = [part[k] for part in shape for k in _REST if part.get(k) and not is_false(part[k])]
        by_pattern = [item for part in shape for item in part.get("patternProperties", {}).items()]
        # What is required is there, whether it has a schema or not.
        by_name: dict[str, list[Node]] = {name: [] for part in shape for name in _required(part)}
        for part in shape:
            for name, node in part.get("properties", {}).items():
                by_name.setdefault(name, []).append(node)
        # A name can match several patterns; what all of them declare is declared.
        matched = self.close([node for _, node in by_pattern], rest) if by_pattern else {}
        others: Node = {} if is_map else {"not": {}}
        return {
            "properties": {
                name: self.close([*by_name[name], *self._matched(by_pattern, name)], rest)
                for name in sorted(by_name)
            },
            "patternProperties": {pattern: matched for pattern, _ in by_pattern},
            "additionalProperties": self.close(rest) if rest else others,
        }

    def _matched(self, by_pattern: list[tuple[str, Node]], name: str) -> list[Node]:
        matches = self._oracle.matches
        return [node for pattern, node in by_pattern if matches(pattern, name) is not Answer.NO]


def _required(part: Node) -> Iterable[str]:
    """The names that an object may need to have."""
    yield from part.get("required", ())
    for names in part.get("dependentRequired", {}).values():
        yield from names
