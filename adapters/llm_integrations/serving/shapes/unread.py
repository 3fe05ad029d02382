"""Fields beside a request's texts by which others reach a model, that cannot be read here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.serving.shapes.base import Body, Prompt
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["APART", "unread_texts"]

APART: Final = -1
"""The conversation that such texts are, where a request holds several."""

_TEXTS: Final = ("prompt_embeds", "chat_template", "prompt_variables")
_FALLBACKS: Final = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_HOLD_TEXTS: Final = frozenset((
    *_TEXTS,
    *("messages", "prompt", "input", "system", "instructions", "suffix"),
    "previous_input_messages",
))  # fmt: skip


def unread_texts(request: Body) -> Iterator[Prompt]:
    """What vLLM and LiteLLM take beside, or in place of, the texts: nobody can tell what is said
    there, so it counts as a user's without text."""
    found = [field for field in _TEXTS if request.get(field)]
    if _has_texts(as_dict(request.get("extra_body"))):
        found.append("extra_body")
    found += [field for field in _FALLBACKS if _has_texts_inside(request.get(field))]
    for field in found:
        yield Prompt((field,), "user", None, APART)


def _has_texts(fields: Body) -> bool:
    return any(fields[key] and key.casefold() in _HOLD_TEXTS for key in fields)


def _has_texts_inside(value: Any) -> bool:
    """Whether a request to ask in place of this one, however deep it stands, has texts."""
    left = [value] if value else []
    while left:
        match left.pop():
            case dict() as fields if _has_texts(fields):
                return True
            case dict() as fields:
                left += fields.values()
            case list() as items:
                left += items
            case _:
                pass
    return False
