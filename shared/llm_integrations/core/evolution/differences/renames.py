"""Suggesting that a property which went and one which came are the same."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, same

__all__ = ["pair_renames"]

_ALIKE: Final = 0.45
_MOST_PAIRS: Final = 10_000
_LONGEST: Final = 100
"""Characters of a name that are compared: the likeness of long names takes quadratic time."""


def pair_renames(
    removed: dict[str, Node],
    added: dict[str, Node],
    required_before: Sequence[str],
    required_after: Sequence[str],
) -> dict[tuple[ChangeKind, str], str]:
    """For each removed or added property the other name that it probably has.

    The shapes must be equal. A plain shape, as any string, is shared by chance, so the names must
    be alike too, unless one property went and one came.
    """
    if len(removed) * len(added) > _MOST_PAIRS:
        return {}
    required = set(required_before), set(required_after)
    single = len(removed) == len(added) == 1
    candidates = sorted(
        (-_likeness(old, new, required), old, new)
        for old, old_node in removed.items()
        for new, new_node in added.items()
        if same(old_node, new_node) and (old_node or not single)
    )
    found: dict[tuple[ChangeKind, str], str] = {}
    for score, old, new in candidates:
        taken = (ChangeKind.PROPERTY_REMOVED, old) in found
        taken = taken or (ChangeKind.PROPERTY_ADDED, new) in found
        alike = -score >= _ALIKE or single or not _is_plain(removed[old])
        if alike and not taken:
            found[ChangeKind.PROPERTY_REMOVED, old] = new
            found[ChangeKind.PROPERTY_ADDED, new] = old
    return found


def _likeness(old: str, new: str, required: tuple[set[str], set[str]]) -> float:
    ratio = SequenceMatcher(None, _bare(old)[:_LONGEST], _bare(new)[:_LONGEST]).ratio()
    return ratio + (0.1 if (old in required[0]) == (new in required[1]) else 0.0)


def _bare(name: str) -> str:
    """``userName``, ``user_name`` and ``user-name`` are one name in three styles."""
    return name.replace("_", "").replace("-", "").casefold()


def _is_plain(node: Node) -> bool:
    return node.keys() <= {"type"}
