"""What to do about a change: for those who have old data, and for those who read new data."""

from __future__ import annotations

import json
from typing import Final

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.text.wording import quote

__all__ = ["LATER", "TYPE_QUESTION", "advice", "question"]

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
        parts.append(_by_program(change) if automated else question(change))
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
    ChangeKind.PROPERTY_REMOVED: "`migrate()` moves it, or drops it.",
    ChangeKind.ENUM_VALUE_REMOVED: "`migrate()` spells it as the new version does.",
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


_GENERIC: Final = (
    "Find the data that is affected (see the examples of refused data), and correct it."
)
TYPE_QUESTION: Final = (
    "Decide how values of the old type are converted; some may not be convertible."
)
_BOUND: Final = "Find the values beyond the new bound, and decide: correct, cut or drop them."
_TEXT: Final = "Find the values that do not match, and correct them at their source."

_BY_HAND: Final[dict[ChangeKind, str]] = {
    ChangeKind.MADE_REQUIRED: "Decide what {new} is for data that has none, and fill it in.",
    ChangeKind.PROPERTY_REMOVED: ("Take {keyword} out of old data, or keep its content elsewhere."),
    ChangeKind.PROPERTY_ADDED: (
        "Old data may use the name {keyword} for something else. Check, and rename or convert it."
    ),
    ChangeKind.ENUM_VALUE_REMOVED: "Decide which of the remaining values replaces {old_value}.",
    ChangeKind.CONTENT_CLOSED: (
        "Find what else old data holds here, and decide where it goes before it is dropped."
    ),
    **dict.fromkeys((ChangeKind.BOUND_TIGHTENED, ChangeKind.BOUND_CHANGED), _BOUND),
    **dict.fromkeys((ChangeKind.TYPE_NARROWED, ChangeKind.TYPE_CHANGED), TYPE_QUESTION),
    **dict.fromkeys(
        (
            *(ChangeKind.ENUM_ADDED, ChangeKind.PATTERN_ADDED, ChangeKind.PATTERN_CHANGED),
            *(ChangeKind.FORMAT_ADDED, ChangeKind.FORMAT_CHANGED),
        ),
        _TEXT,
    ),
}


def question(change: Change) -> str:
    """What a person must decide because of a change that no program can settle."""
    old_value = quote(json.dumps(change.old, ensure_ascii=False))
    names = {"keyword": quote(change.keyword), "new": quote(change.new), "old_value": old_value}
    return _BY_HAND.get(change.kind, _GENERIC).format(**names)
