"""Schemas in one form, and the two sides of a comparison in one set of definitions.

A node is a JSON Schema of draft 2020-12 that holds nothing but what constrains: no annotations,
no ``$id``, no anchors; ``const`` is an ``enum`` of one; a boolean schema is ``{}`` or
``{"not": {}}``; every ``$ref`` is ``#/$defs/…`` into the definitions of its Workspace. Keywords
that begin with ``!`` are assertions of older drafts that 2020-12 cannot say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from jsonschema_rs.canonical import json as canonical_json

from llm_integrations.core.evolution.model.limits import Budget
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = [
    "CONTENT",
    "LISTS",
    "MAPS",
    "SINGLE",
    "STRICT_INTEGER",
    "Node",
    "Workspace",
    "descendants",
    "is_false",
    "json_key",
    "node_children",
    "ref_name",
    "references",
    "same",
]

Node = dict[str, Any]

STRICT_INTEGER: Final = "!integer"
"""1.0 is no integer (draft 4)."""

CONTENT: Final = "!content"
"""contentEncoding and contentMediaType are asserted (drafts 6 and 7)."""

_REF: Final = "#/$defs/"
_LONGEST_CHAIN: Final = 100
SINGLE: Final = (
    *("additionalProperties", "unevaluatedProperties", "unevaluatedItems", "contains"),
    *("propertyNames", "not", "if", "then", "else", "items"),
)
"""Keywords whose value is a node."""

LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
"""Keywords whose value is a list of nodes."""

MAPS: Final = ("properties", "patternProperties", "dependentSchemas")
"""Keywords whose value is an object of nodes."""

_HOLDING: Final = frozenset({*SINGLE, *LISTS, *MAPS})
_HOLDING_OR_REFERRING: Final = _HOLDING | {"$ref"}
_APPLYING: Final = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas"}
)


def is_false(node: Node) -> bool:
    """Whether a node is the boolean schema ``false``."""
    return len(node) == 1 and node.get("not") == {}


def json_key(value: Any) -> str:
    """Text that is the same for equal JSON values: for 1 and 1.0, but not for 1 and true."""
    try:
        return canonical_json.to_string(value)
    except ValueError:
        return json.dumps(value, sort_keys=True)


def same(first: Any, second: Any) -> bool:
    """Whether two nodes or values are equal as JSON; Python alone takes ``1`` for ``True``."""
    return first is second or (first == second and json_key(first) == json_key(second))


def ref_name(node: Node) -> str | None:
    """The name of the definition that a node refers to."""
    reference = node.get("$ref")
    return None if reference is None else str(reference).removeprefix(_REF)


def node_children(node: Node) -> Iterator[Node]:
    """The nodes directly inside of one."""
    for keyword in SINGLE:
        if keyword in node:
            yield node[keyword]
    for keyword in LISTS:
        yield from node.get(keyword, ())
    for keyword in MAPS:
        yield from node.get(keyword, {}).values()


def descendants(node: Node) -> Iterator[Node]:
    """A node and all that is inside of it; references are not followed."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if not _HOLDING.isdisjoint(current):
            stack.extend(node_children(current))


class Workspace:
    """Definitions that nodes of both sides refer to, and where each node was written.

    Nodes are told apart by identity, so the workspace keeps all of them alive.

    Attributes:
        budget: what the comparison may cost; all that is asked about nodes is counted.
        definitions: name to node.
        unenforced: whether any node asserts what draft 2020-12 cannot say.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.definitions: dict[str, Node] = {}
        self.unenforced = False
        self._places: dict[int, SchemaLocation] = {}
        self._kept: list[Node] = []
        self._reachable: dict[str, frozenset[str]] = {}
        self._made: dict[tuple[str, tuple[int, ...]], Node] = {}
        self._named: dict[str, Node] = {}
        self._judgements: dict[int, int] = {}
        self._canonical: dict[int, Node] = {}
        self._by_content: dict[tuple[Any, ...], Node] = {}

    def add(self, node: Node, place: SchemaLocation | None = None) -> Node:
        """Keep a node; ``place`` says where it comes from."""
        self._kept.append(node)
        if place is not None:
            self._places[id(node)] = place
        return node

    def patterns(self) -> set[str]:
        """Every pattern in the nodes that are kept."""
        names = chain.from_iterable(node.get("patternProperties", ()) for node in self._kept)
        return {*names, *(node["pattern"] for node in self._kept if "pattern" in node)}

    def place(self, node: Node) -> SchemaLocation | None:
        return self._places.get(id(node))

    def written(self, node: Node) -> dict[str, Any]:
        """The keywords of a node as its author wrote them; none where it has no place."""
        place = self.place(node)
        return place.schema if place is not None and isinstance(place.schema, dict) else {}

    def target(self, node: Node) -> Node | None:
        """What a node's ``$ref`` means; None without one."""
        return self.definitions[str(ref_name(node))] if "$ref" in node else None

    def resolved(self, node: Node) -> Node:
        """What a node that holds nothing but a reference refers to; any other node itself."""
        left = _LONGEST_CHAIN
        while "$ref" in node and len(node) == 1 and left:
            node = self.definitions[str(ref_name(node))]
            left -= 1
        return node

    def canonical(self, node: Node) -> Node:
        """The first node that says the same as this one; nodes are complete by then."""
        known = self._canonical.get(id(node))
        if known is None:
            content = tuple((word, self._content(word, node[word])) for word in sorted(node))
            known = self._canonical[id(node)] = self._by_content.setdefault(content, node)
            self._kept.append(node)
        return known

    def _content(self, keyword: str, value: Any) -> Any:
        """What stands for the value of a keyword: identities of canonical nodes, or text."""
        if keyword in SINGLE:
            return id(self.canonical(value))
        if keyword in LISTS:
            return tuple(id(self.canonical(node)) for node in value)
        if keyword in MAPS:
            return tuple((name, id(self.canonical(value[name]))) for name in sorted(value))
        return json_key(value)

    def both(self, first: Node, second: Node) -> Node:
        """A node that demands two; the same one for the same two."""
        return self._make("allOf", {"allOf": [first, second]}, first, second)

    def either(self, nodes: Sequence[Node]) -> Node:
        """A node that demands one of several; the same one for the same several."""
        return self._make("anyOf", {"anyOf": list(nodes)}, *nodes)

    def negation(self, node: Node) -> Node:
        """A node that demands the opposite; the same one for the same node."""
        node = self.resolved(node)
        return self._make("not", {"not": node}, node)

    def having(self, name: str) -> Node:
        """A node for objects that have a property; the same one for the same name."""
        return self._named.setdefault(f"having {name}", {"type": ["object"], "required": [name]})

    def lacking(self, name: str) -> Node:
        """A node for objects without a property; the same one for the same name."""
        return self._named.setdefault(f"lacking {name}", {"properties": {name: {"not": {}}}})

    def without(self, node: Node, name: str) -> Node:
        """What a node says of objects that lack a property; the same one for the same two."""
        if name not in node.get("properties", ()):
            return node
        others = {key: value for key, value in node["properties"].items() if key != name}
        return self._make(f"without {name}", {**node, "properties": others}, node)

    def needing(self, names: Sequence[str]) -> Node:
        """A node that requires properties; the same one for the same names."""
        listed = sorted(names)
        return self._named.setdefault(f"needing {json_key(listed)}", {"required": listed})

    def _make(self, kind: str, made: Node, *parts: Node) -> Node:
        return self._made.setdefault((kind, tuple(map(id, parts))), made)

    def applied(self, node: Node, *, conditional: bool) -> list[Node]:
        """The nodes that judge the same value as this one does, itself included.

        ``conditional`` includes those that do so in some cases only (anyOf, if, …).
        """
        found: dict[int, Node] = {}
        stack = [node]
        while stack:
            current = stack.pop()
            self.budget.spend()
            if id(current) in found:
                continue
            found[id(current)] = current
            if _APPLYING.isdisjoint(current):
                continue
            stack.extend(self.always(current))
            if conditional:
                stack.extend(_conditional(current))
        return list(found.values())

    def judgements(self, node: Node) -> int:
        """How often a validator may judge one value by parts of a node, each path counted.

        References that fan out again and again make this grow exponentially.
        """
        known = self._judgements
        # Depth first without recursion: a node is counted after all that it applies.
        stack: list[tuple[Node, bool]] = [(node, False)]
        while stack:
            self.budget.spend()
            current, ready = stack.pop()
            if ready:
                parts = self._parts_in_place(current)
                known[id(current)] = 1 + sum(known.get(id(part), 1) for part in parts)
            elif id(current) not in known:
                known[id(current)] = 1
                stack.append((current, True))
                stack.extend((part, False) for part in self._parts_in_place(current))
        return known[id(node)]

    def _parts_in_place(self, node: Node) -> list[Node]:
        negated = [node["not"]] if "not" in node else []
        return [*self.always(node), *_conditional(node), *negated]

    def always(self, node: Node) -> list[Node]:
        """The nodes that judge a value whenever this one does: a ``$ref`` is one more of allOf."""
        target = self.target(node)
        return [*node.get("allOf", ()), *([] if target is None else [target])]

    def reachable(self, nodes: Iterable[Node]) -> frozenset[str]:
        """The names of all definitions that the nodes use, directly or not."""
        found: set[str] = set()
        stack = [name for node in nodes for name in self._names_in(node)]
        while stack:
            name = stack.pop()
            self.budget.spend()
            if name not in found:
                found.add(name)
                stack.extend(self._direct(name))
        return frozenset(found)

    def _direct(self, name: str) -> frozenset[str]:
        if name not in self._reachable:
            self._reachable[name] = frozenset(self._names_in(self.definitions[name]))
        return self._reachable[name]

    def _names_in(self, node: Node) -> Iterator[str]:
        for part in descendants(node):
            self.budget.spend()
            name = ref_name(part)
            if name is not None:
                yield name

    def is_recursive(self, names: Iterable[str]) -> bool:
        """Whether one of these definitions, or of those that they use, leads back to itself."""
        entered: set[str] = set()
        left: set[str] = set()
        stack = [(name, False) for name in names]
        while stack:
            name, ready = stack.pop()
            self.budget.spend()
            if ready:
                left.add(name)
            elif name in entered and name not in left:
                return True
            elif name not in entered:
                entered.add(name)
                stack.append((name, True))
                stack.extend((used, False) for used in self._direct(name))
        return False

    def parts(self, nodes: Iterable[Node]) -> tuple[list[Node], set[str]]:
        """All that the nodes consist of, each counted, and the definitions that they use."""
        found: list[Node] = []
        names: set[str] = set()
        stack = [*nodes]
        while stack:
            node = stack.pop()
            self.budget.spend()
            found.append(node)
            if _HOLDING_OR_REFERRING.isdisjoint(node):
                continue
            stack.extend(node_children(node))
            name = ref_name(node)
            if name is not None and name not in names:
                names.add(name)
                stack.append(self.definitions[name])
        return found, names

    def standalone(self, node: Node, names: Collection[str] | None = None) -> Node:
        """The node with the definitions that it needs: a schema on its own.

        Args:
            names: of these definitions, where they are known.
        """
        if names is None:
            names = self.reachable([node])
        if not names:
            return node
        return {**node, "$defs": {name: self.definitions[name] for name in sorted(names)}}

    def has_unenforced(self, node: Node) -> bool:
        """Whether an assertion that 2020-12 cannot say is in reach of the node."""
        if not self.unenforced:
            return False
        parts, _ = self.parts([node])
        return any(key.startswith("!") for part in parts for key in part)

    def is_stricter_unenforced(self, node: Node) -> bool:
        """Whether a node may refuse more where what 2020-12 cannot say is left out of it."""
        if not self.unenforced:
            return False
        parts, _ = self.parts([node])
        return any(map(self.has_unenforced, chain.from_iterable(map(_exact, parts))))


def _exact(node: Node) -> Iterator[Node]:
    """The nodes inside of one that refuse values by what they admit themselves."""
    yield from (node[keyword] for keyword in ("not", "if") if keyword in node)
    yield from node.get("oneOf", ())
    if "maxContains" in node and "contains" in node:
        yield node["contains"]


def _conditional(node: Node) -> Iterator[Node]:
    yield from node.get("anyOf", ())
    yield from node.get("oneOf", ())
    yield from (node[keyword] for keyword in ("if", "then", "else") if keyword in node)
    yield from node.get("dependentSchemas", {}).values()


def references(node: Node) -> Iterator[str]:
    """The names of the definitions that a node refers to, once for each reference."""
    names = (ref_name(part) for part in descendants(node))
    return (name for name in names if name is not None)
