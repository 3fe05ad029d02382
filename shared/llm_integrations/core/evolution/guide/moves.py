"""Which values may have changed their place: out of an object, into one, or into a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from llm_integrations.core.evolution.differences.renames import bare_name
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.prover import Prover

__all__ = ["NamePath", "Places", "declared_properties", "new_places", "pair_moves", "places_of"]

_MOST_PAIRS: Final = 10_000

NamePath = tuple[str, ...]
"""Names of properties, from an object to a value inside of it."""

Places = dict[NamePath, list[Node]]
"""What holds for the values at some places."""


def declared_properties(constraints: Constraints) -> dict[str, Node]:
    """The properties that an object declares, each with one node about it."""
    return {
        name: child
        for node in constraints.nodes
        for name, child in node.get("properties", {}).items()
    }


def places_of(names: Iterable[str], side: Constraints, prover: Prover) -> Places:
    """The places of some properties, and of those that the objects there declare."""
    found: Places = {}
    for name in names:
        found[name,] = nodes = prover.children.property_nodes(side, name)
        inside = prover.constraints(nodes)
        if "object" in inside.kinds:
            for inner in declared_properties(inside):
                found[name, inner] = prover.children.property_nodes(inside, inner)
    return found


def new_places(before: Constraints, after: Constraints, prover: Prover) -> Places:
    """The places that only the new side declares; inside of objects that both have, too."""
    old = places_of(declared_properties(before), before, prover)
    new = places_of(declared_properties(after), after, prover)
    return {path: nodes for path, nodes in new.items() if path not in old}


def pair_moves(
    sources: Places, targets: Places, fits: Callable[[Sequence[Node], Sequence[Node]], bool]
) -> dict[NamePath, NamePath]:
    """The old places whose value has exactly one new place that it may have gone to.

    Args:
        sources: the places that only the old side has.
        targets: the places that only the new side has.
        fits: whether values of the old place can be brought under what holds at the new one.
    """
    if len(sources) * len(targets) > _MOST_PAIRS:
        return {}
    pairs = [
        (source, target)
        for source in sources
        for target in targets
        if _may_be_the_same(source, target) and fits(sources[source], targets[target])
    ]
    ends = Counter(end for pair in pairs for end in (("old", pair[0]), ("new", pair[1])))
    clear = [p for p in pairs if ends["old", p[0]] == ends["new", p[1]] == 1]
    # What goes as a whole takes what is inside along.
    whole = {end for pair in clear for end in pair if len(end) == 1}
    return {s: t for s, t in clear if not any(len(e) > 1 and e[:1] in whole for e in (s, t))}


def _may_be_the_same(source: NamePath, target: NamePath) -> bool:
    if len(source) == len(target) == 1:
        return bare_name(target[0]) in (bare_name(source[0]), *_plurals(bare_name(source[0])))
    if len(source) == len(target):
        return False
    last = bare_name(source[-1]) == bare_name(target[-1])
    return last or bare_name("".join(source)) == bare_name("".join(target))


def _plurals(name: str) -> list[str]:
    return [f"{name}s", f"{name}es", f"{name.removesuffix('y')}ies", f"{name}list"]
