"""The rows of a guide's table: changes that belong together are one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.guide.advice import LATER
from llm_integrations.core.evolution.guide.contents import Action
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.text.wording import describe, quote, shape

__all__ = ["GuideRow", "guide_rows"]

_ABOUT_REQUIRED: Final = (ChangeKind.MADE_REQUIRED, ChangeKind.MADE_OPTIONAL)


_ByProperty = dict[tuple[str, str], list[tuple[int, Action]]]
"""Actions with their order, by the object and the name of the property that they are about."""


@dataclass(slots=True)
class GuideRow:
    """What one row says; ``paths`` are JSON Pointers into the schemas, each once, in order."""

    text: str
    advice: str
    breaks_backward: bool
    breaks_forward: bool
    paths: dict[str, None] = field(default_factory=dict)


def guide_rows(actions: Sequence[Action]) -> list[GuideRow]:
    """The rows, breaking changes first; changes of documentation have none."""
    merged: dict[tuple[Any, ...], GuideRow] = {}
    for row in _rows([action for action in actions if not action.change.is_documentation]):
        key = (row.text, row.advice, row.breaks_backward, row.breaks_forward)
        merged.setdefault(key, row).paths.update(row.paths)
    return sorted(merged.values(), key=lambda r: (not r.breaks_backward, not r.breaks_forward))


def _rows(actions: Sequence[Action]) -> Iterable[GuideRow]:
    by_property: _ByProperty = {}
    for index, action in enumerate(actions):
        if (about := _about(action.change)) is not None:
            by_property.setdefault(about, []).append((index, action))
    used: set[int] = set()
    for action in actions:
        if id(action) not in used:
            family = _family(action, by_property)
            used.update(map(id, family))
            yield _row(action, family)


def _family(action: Action, by_property: _ByProperty) -> list[Action]:
    """The actions about the same property, or about the two names of a renamed one."""
    change = action.change
    if change.kind not in (ChangeKind.PROPERTY_ADDED, ChangeKind.PROPERTY_REMOVED):
        return [action]
    places = [(_parent(change), name) for name in (change.keyword, change.rename) if name]
    related = [other for place in places for other in by_property.get(place, ())]
    related.sort(key=lambda other: other[0])
    return [action, *(other for _, other in related if other is not action)]


def _about(change: Change) -> tuple[str, str] | None:
    """The object and the name of the property that a change adds, removes or requires."""
    if change.kind in _ABOUT_REQUIRED:
        name = change.new if change.kind is ChangeKind.MADE_REQUIRED else change.old
        return change.path.removesuffix("/required"), str(name)
    if change.kind in (ChangeKind.PROPERTY_ADDED, ChangeKind.PROPERTY_REMOVED):
        return _parent(change), change.keyword
    return None


def _parent(change: Change) -> str:
    return change.path.rpartition("/properties/")[0]


def _row(action: Action, family: Sequence[Action]) -> GuideRow:
    changes = [member.change for member in family]
    breaks = any(c.breaks_backward for c in changes), any(c.breaks_forward for c in changes)
    if len(family) == 1:
        text, advice = describe(action.change), action.advice
    elif action.change.rename is not None:
        text, advice = _renamed(action.change, family, breaks[1])
    else:
        text, advice = _with_required(family)
    return GuideRow(text, advice, *breaks, dict.fromkeys(_path(c) for c in changes))


def _path(change: Change) -> str:
    about = _about(change) if change.kind in _ABOUT_REQUIRED else None
    return change.path if about is None else f"{about[0]}/properties/{about[1]}"


def _renamed(change: Change, family: Sequence[Action], forward: bool) -> tuple[str, str]:
    removed = change.kind is ChangeKind.PROPERTY_REMOVED
    old, new = change.keyword, change.rename or ""
    old, new = (old, new) if removed else (new, old)
    text = f"property {quote(old)} ({shape(change.old if removed else change.new)})"
    moves = "`migrate()` moves the value. " if any(a.automated for a in family) else ""
    later = f" Old readers know {quote(old)} only. {LATER}" if forward else ""
    advice = f"{moves}Check that both names mean the same thing.{later}"
    return f"{text} is probably {quote(new)} now", advice


def _with_required(family: Sequence[Action]) -> tuple[str, str]:
    first = next(a for a in family if a.change.kind not in _ABOUT_REQUIRED)
    added = first.change.kind is ChangeKind.PROPERTY_ADDED
    ending = "and is required" if added else "; it was required"
    text = f"{describe(first.change)} {ending}".replace(" ;", ";")
    telling = sorted(family, key=lambda a: a.change.kind not in _ABOUT_REQUIRED)
    advice = dict.fromkeys(a.advice for a in telling if a.change.is_breaking)
    return text, " ".join(advice) or first.advice
