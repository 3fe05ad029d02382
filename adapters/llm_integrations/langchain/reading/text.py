"""A model's text as data: JSON, JSON in a fence, or the text itself, and why it is none of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from llm_integrations.core.validation import Validator

__all__ = ["Said", "broken_off", "is_cut_off", "said_by"]

_NONE: Final[Any] = object()
_FENCE: Final = re.compile(r"```(?:json)?(.*)", re.DOTALL)
_REFUSAL: Final = re.compile(
    r"\W*(?:(?:i['\u2019]?m|i am|we are|we['\u2019]re) (?:\w+ )?"
    r"(?:sorry|afraid|unable|not able|not allowed)"
    r"|(?:i )?apologi[sz]e|sorry\b|unfortunately\b|as an ai\b"
    r"|i (?:can ?not|can['\u2019]?t|could not|won['\u2019]?t|will not|must decline))",
    re.IGNORECASE,
)
_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_REFUSED: Final = frozenset({"refusal", "content_filter", "safety", "content_filtered"})
_DECODER: Final = json.JSONDecoder(strict=False)
_TOO_MUCH: Final = (RecursionError, ValueError)
"""What JSON raises that is nested too deeply, or has a number of more digits than Python reads."""
_REFERENCES: Final = ("anyOf", "oneOf", "allOf")
_OF_STRINGS: Final = frozenset({"pattern", "minLength", "maxLength", "format", "contentEncoding"})
_OF_OTHERS: Final = frozenset(
    {"properties", "required", "additionalProperties", "patternProperties", "propertyNames"}
    | {"minProperties", "maxProperties", "items", "prefixItems", "minItems", "maxItems", "contains"}
)


@dataclass(frozen=True, slots=True)
class Said:
    """A model's text.

    Attributes:
        text: what it said.
        message: where it said it, which tells why it stopped; None for text alone.
    """

    text: str
    message: BaseMessage | None = None

    def read(self, validator: Validator) -> tuple[Any, str]:
        """What a schema judges, and words of its own for what it need not even look at.

        The text itself counts where the schema speaks of strings; else the JSON that it holds, as
        LangChain's parsers find it: alone, or in a fence.
        """
        value, broken = _json(self.text)
        if value is not _NONE:
            fits_as_text = not validator.is_valid(value) and (
                not isinstance(value, dict | list) or _takes_text(validator.body)
            )
            return (self.text if fits_as_text and validator.is_valid(self.text) else value), ""
        if validator.is_valid(self.text) and _takes_text(validator.body, unless_others=True):
            return self.text, ""
        return self.text, self.why(broken)

    def why(self, broken: json.JSONDecodeError | None) -> str:
        """Why it is no JSON."""
        ended = "" if self.message is None else _ended(self.message)
        if ended in _REFUSED:
            return f"is no answer: the model refused ({ended})"
        if ended in _CUT:
            return f"is cut off: the model stopped at its limit ({ended}); allow more tokens"
        if broken is None:
            if _REFUSAL.match(self.text):
                return "is no answer: it is text without JSON that reads like a refusal"
            return "" if self.text.strip() else "is empty: the model said nothing"
        if broken.pos >= len(broken.doc.rstrip()) or broken.msg.startswith("Unterminated"):
            return "is cut off: its JSON breaks off before its end"
        return f"is broken JSON: {broken.msg} at character {broken.pos}"


def said_by(message: BaseMessage) -> Said:
    """The text of a message."""
    content = message.content
    return Said(content if isinstance(content, str) else message.text, message)


def is_cut_off(message: BaseMessage) -> bool:
    """Whether a model stopped at its limit, by its provider's word."""
    return _ended(message) in _CUT


def broken_off(message: AIMessage) -> str:
    """That a call of a tool, or JSON, broke off at the model's limit; empty if it did not."""
    if not is_cut_off(message):
        return ""
    if not message.tool_calls:
        _, broken = _json(said_by(message).text)
        return "" if broken is None else Said("", message).why(broken)
    said = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
    is_whole = bool(said) and all(_json(one["args"] or "{}")[0] is not _NONE for one in said)
    return "" if is_whole else Said("", message).why(None)


def _ended(message: BaseMessage) -> str:
    """Why a model stopped, in its provider's word; "refusal" where it says that it refused."""
    kept = {**message.additional_kwargs, **message.response_metadata}
    blocks = message.content if isinstance(message.content, list) else []
    refused = any(isinstance(b, dict) and b.get("type") == "refusal" for b in blocks)
    if kept.get("refusal") or refused:
        return "refusal"
    found = next((kept[key] for key in _ENDS if isinstance(kept.get(key), str)), "")
    return str(found).lower()


_ENDS: Final = ("finish_reason", "stop_reason", "done_reason", "finishReason", "stopReason")


def _json(text: str) -> tuple[Any, json.JSONDecodeError | None]:
    """The JSON in a text, or what is wrong with what looks like some."""
    try:
        return json.loads(text, strict=False), None
    except json.JSONDecodeError as error:
        alone = error
    except _TOO_MUCH:
        return _NONE, None
    fence = _FENCE.search(text)
    if fence is None:
        return _NONE, alone if text.lstrip().startswith(("{", "[")) else None
    inside = fence.group(1).lstrip()
    try:
        value, end = _DECODER.raw_decode(inside)
    except json.JSONDecodeError as error:
        error.doc = error.doc.rstrip("` \n")
        return _NONE, error
    except _TOO_MUCH:
        return _NONE, None
    rest = inside[end:].strip()
    return (value, None) if not rest or rest.startswith("```") else (_NONE, None)


def _takes_text(body: Any, *, unless_others: bool = False, depth: int = 8) -> bool:
    """Whether a schema speaks of strings.

    Args:
        unless_others: whether one that speaks of no type at all counts as well, unless it is about
            objects or arrays: JSON Schema lets any text pass there, which nobody means.
    """
    if isinstance(body, bool) or depth == 0:
        return body is True and unless_others
    kind = body.get("type")
    if kind is not None:
        return kind == "string" or (isinstance(kind, list) and "string" in kind)
    literal = [body.get("const"), *(body.get("enum") or ())]
    if _OF_STRINGS & body.keys() or any(isinstance(one, str) for one in literal):
        return True
    inner = [one for name in _REFERENCES for one in body.get(name) or () if isinstance(one, dict)]
    if inner:
        return any(_takes_text(one, unless_others=unless_others, depth=depth - 1) for one in inner)
    return unless_others and not (_OF_OTHERS & body.keys())
