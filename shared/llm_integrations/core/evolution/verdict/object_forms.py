"""What kinds of objects a schema admits: those with properties of their own, or maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace

__all__ = ["ObjectForms"]

_CONTAINERS: Final = frozenset({"object", "array"})


class ObjectForms:
    """Answers for nodes of a workspace, by their types, listed values and unions."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._nests: dict[int, bool] = {}
        self._maps: dict[int, bool] = {}

    def can_nest(self, node: Node) -> bool:
        """Whether a value can be an object or an array at all."""
        return self._in_some_way(node, self._nests, lambda part: _admits(part, _CONTAINERS))

    def is_map(self, node: Node) -> bool:
        """Whether a value can be an object for which no properties are listed, not even none."""
        return self._in_some_way(
            node,
            self._maps,
            lambda part: _admits(part, frozenset({"object"})) and "properties" not in part,
        )

    def _in_some_way(
        self, node: Node, known: dict[int, bool], allows: Callable[[Node], bool]
    ) -> bool:
        """Whether all nodes that judge a value allow it, for some choice of branches."""
        if id(node) not in known:
            known[id(node)] = False  # where a branch leads back here, the others decide
            parts = self._workspace.applied(node, conditional=False)
            known[id(node)] = all(map(allows, parts)) and all(
                any(self._in_some_way(branch, known, allows) for branch in branches)
                for part in parts
                for branches in _choices(part)
            )
        return known[id(node)]


def _choices(part: Node) -> list[list[Node]]:
    """Lists of branches of which a value takes one each."""
    found = [part[keyword] for keyword in ("anyOf", "oneOf") if keyword in part]
    if "if" in part:
        found.append([part.get("then", {}), part.get("else", {})])
    return found


def _admits(part: Node, types: frozenset[str]) -> bool:
    """Whether a node's own keywords leave values of these types."""
    if types.isdisjoint(part.get("type", types)):
        return False
    return any(isinstance(value, dict | list) for value in part.get("enum", ({},)))
