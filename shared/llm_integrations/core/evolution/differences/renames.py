"""Suggesting that a property which went and one which came are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, same

__all__ = ["bare_name", "likely_names", "pair_renames"]

_ALIKE: Final = 0.45
_CLEARLY: Final = 0.15
"""How much more alike than any other two names must be: ``name`` may be first or last name."""

_MOST_PAIRS: Final = 10_000
_LONGEST: Final = 100
"""Characters of a name that are compared: the likeness of long names takes quadratic time."""

_Scores = dict[tuple[str, str], float]
"""How alike an old and a new name are."""


def pair_renames(
    removed: dict[str, Node],
    added: dict[str, Node],
    required_before: Sequence[str],
    required_after: Sequence[str],
) -> dict[tuple[ChangeKind, str], str]:
    """For each removed or added property the other name that it clearly has.

    The shapes must be equal. A plain shape, as any string, is shared by chance, so the names must
    be alike too, unless one property went and one came.
    """
    if len(removed) * len(added) > _MOST_PAIRS:
        return {}
    required = set(required_before), set(required_after)
    single = len(removed) == len(added) == 1
    scores = {
        (old, new): _likeness(old, new, required)
        for old, old_node in removed.items()
        for new, new_node in added.items()
        if old_node.get("type") == new_node.get("type") and (old_node or not single)
    }
    fitting = {
        (old, new)
        for (old, new), score in scores.items()
        if same(removed[old], added[new])
        and (score >= _ALIKE or single or not _is_plain(removed[old]))
    }
    rivals = {pair: score for pair, score in scores.items() if score >= _ALIKE or pair in fitting}
    found: dict[tuple[ChangeKind, str], str] = {}
    for old, new in _clear_pairs(rivals):
        if (old, new) in fitting:
            found[ChangeKind.PROPERTY_REMOVED, old] = new
            found[ChangeKind.PROPERTY_ADDED, new] = old
    return found


def _clear_pairs(scores: _Scores) -> Iterator[tuple[str, str]]:
    """The pairs that are more alike than any other of either name, the most alike first."""
    by_name: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for pair in scores:
        for side in (0, 1):
            by_name.setdefault((side, pair[side]), []).append(pair)
    taken: set[tuple[int, str]] = set()
    for pair in sorted(scores, key=lambda pair: (-scores[pair], pair)):
        sides = [(0, pair[0]), (1, pair[1])]
        if not taken.isdisjoint(sides):
            continue
        others = [other for side in sides for other in by_name[side] if other != pair]
        open_to = [o for o in others if taken.isdisjoint([(0, o[0]), (1, o[1])])]
        clear = all(scores[pair] >= scores[other] + _CLEARLY for other in open_to)
        if clear and (scores[pair] >= _ALIKE or not open_to):
            taken.update(sides)
            yield pair


def likely_names(old: str, old_node: Node, added: dict[str, Node]) -> list[str]:
    """The added properties of the same type that a removed one may have become."""
    nothing: tuple[set[str], set[str]] = (set(), set())
    return [
        new
        for new, node in added.items()
        if old_node.get("type") == node.get("type") and _likeness(old, new, nothing) >= _ALIKE
    ]


def _likeness(old: str, new: str, required: tuple[set[str], set[str]]) -> float:
    first, second = bare_name(old)[:_LONGEST], bare_name(new)[:_LONGEST]
    ratio = SequenceMatcher(None, first, second).ratio()
    return ratio + (0.1 if (old in required[0]) == (new in required[1]) else 0.0)


def bare_name(name: str) -> str:
    """``userName``, ``user_name`` and ``user-name`` are one name in three styles."""
    return name.replace("_", "").replace("-", "").replace(" ", "").casefold()


def _is_plain(node: Node) -> bool:
    return node.keys() <= {"type"}
