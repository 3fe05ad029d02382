"""Text that reaches a model from elsewhere in a request than where its endpoint has its texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.serving.shapes.base import Body, Prompt
from llm_integrations.serving.shapes.jsontext import as_dict, as_list

__all__ = ["ASIDE", "texts_aside"]

ASIDE: Final = -1
"""The conversation that such texts are, where a request holds several."""

_TEXTS: Final = ("prompt_embeds", "chat_template", "prompt_variables")
_REQUESTS: Final = ("extra_body", "fallbacks")
_HOLD_TEXTS: Final = ("messages", "prompt", "input", "system", "instructions")


def texts_aside(request: Body) -> Iterator[Prompt]:
    """What vLLM and LiteLLM take beside, or in place of, the texts: nobody can tell what is said
    there, so it counts as a user's without text."""
    for field in (*_TEXTS, *_REQUESTS):
        value = request.get(field)
        if value and (field in _TEXTS or _holds_texts(value)):
            yield Prompt((field,), "user", None, ASIDE)


def _holds_texts(value: Any) -> bool:
    return any(key in as_dict(one) for one in (value, *as_list(value)) for key in _HOLD_TEXTS)
