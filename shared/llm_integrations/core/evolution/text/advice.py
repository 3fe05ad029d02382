"""What to do about a change: for those who have old data, and for those who read new data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from llm_integrations.core.evolution.model.change import Change, ChangeKind
from llm_integrations.core.evolution.text.wording import quote

__all__ = ["LATER", "advice", "question"]

LATER: Final = "Deploy the new readers before any writer makes use of it."


def advice(change: Change, automated: bool) -> str:
    """What to do, in a sentence or two.

    Args:
        change: the change.
        automated: whether ``migrate()`` brings old data over it.
    """
    if change.is_documentation or not change.is_breaking:
        return _harmless(change)
    parts = []
    if change.breaks_backward:
        by_hand = _BY_HAND.get(change.kind, _generic)
        parts.append(_by_program(change) if automated else by_hand(change))
    if change.breaks_forward:
        parts.append(_forward(change))
    return " ".join(parts)


def _harmless(change: Change) -> str:
    if change.kind is ChangeKind.PROPERTY_ADDED:
        return "Nothing for existing data. Writers may start to fill it."
    if change.kind is ChangeKind.PROPERTY_REMOVED:
        return "Nothing for existing data, which may keep it. Stop relying on it."
    if change.kind is ChangeKind.DIALECT_CHANGED:
        return "Check that all validators in use know the new dialect."
    return "Nothing."


_PROGRAM: Final[dict[ChangeKind, str]] = {
    ChangeKind.MADE_REQUIRED: "`migrate()` fills in the default where it is missing.",
    ChangeKind.PROPERTY_REMOVED: "`migrate()` drops it.",
    ChangeKind.CONST_CHANGED: "`migrate()` writes the new value.",
    ChangeKind.TYPE_CHANGED: "`migrate()` converts the value.",
    ChangeKind.TYPE_NARROWED: "`migrate()` converts the value, or drops it where it is null.",
}


def _by_program(change: Change) -> str:
    if change.rename is not None:
        return f"`migrate()` moves {_moved(change)}. Check that it is the same thing."
    return _PROGRAM.get(change.kind, "`migrate()` takes care of old data.")


def _moved(change: Change) -> str:
    pair = (change.keyword, change.rename or "")
    if change.kind is ChangeKind.PROPERTY_ADDED:
        pair = (pair[1], pair[0])
    return f"{quote(pair[0])} to {quote(pair[1])}"


def _forward(change: Change) -> str:
    match change.kind:
        case ChangeKind.PROPERTY_ADDED:
            return f"Old readers refuse {quote(change.keyword)}. {LATER}"
        case ChangeKind.PROPERTY_REMOVED:
            return f"Old readers check {quote(change.keyword)}, new data is free to differ. {LATER}"
        case ChangeKind.MADE_OPTIONAL:
            return f"Old readers still need {quote(change.old)}. Keep writing it until all are new."
        case ChangeKind.ENUM_VALUE_ADDED:
            return f"Old readers refuse the new value. {LATER}"
    return f"Old readers refuse what is allowed now. {LATER}"


def _required(change: Change) -> str:
    return f"Decide what {quote(change.new)} is for data that has none, and fill it in."


def _removed(change: Change) -> str:
    return f"Take {quote(change.keyword)} out of old data, or keep its content elsewhere."


def _added(change: Change) -> str:
    return (
        f"Old data may use the name {quote(change.keyword)} for something else. Check, and rename "
        "or convert it."
    )


def _value_gone(change: Change) -> str:
    return f"Decide which of the remaining values replaces {quote(_text(change.old))}."


def _bound(_: Change) -> str:
    return "Find the values beyond the new bound, and decide: correct, cut or drop them."


def _type(_: Change) -> str:
    return "Decide how values of the old type are converted; some may not be convertible."


def _text_rule(_: Change) -> str:
    return "Find the values that do not match, and correct them at their source."


def _closed(_: Change) -> str:
    return "Find what else old data holds here, and decide where it goes before it is dropped."


def _generic(_: Change) -> str:
    return "Find the data that is affected (see the examples of refused data), and correct it."


_BY_HAND: Final[dict[ChangeKind, Callable[[Change], str]]] = {
    ChangeKind.MADE_REQUIRED: _required,
    ChangeKind.PROPERTY_REMOVED: _removed,
    ChangeKind.PROPERTY_ADDED: _added,
    ChangeKind.ENUM_VALUE_REMOVED: _value_gone,
    ChangeKind.ENUM_ADDED: _text_rule,
    ChangeKind.BOUND_TIGHTENED: _bound,
    ChangeKind.BOUND_CHANGED: _bound,
    ChangeKind.TYPE_NARROWED: _type,
    ChangeKind.TYPE_CHANGED: _type,
    ChangeKind.PATTERN_ADDED: _text_rule,
    ChangeKind.PATTERN_CHANGED: _text_rule,
    ChangeKind.FORMAT_ADDED: _text_rule,
    ChangeKind.FORMAT_CHANGED: _text_rule,
    ChangeKind.CONTENT_CLOSED: _closed,
}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def question(change: Change) -> str:
    """What a person must decide because of a change that no program can settle."""
    return _BY_HAND.get(change.kind, _generic)(change)
