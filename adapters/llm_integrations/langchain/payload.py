"""What of a LangChain value a schema is about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

__all__ = ["payloads"]


def payloads(value: Any) -> Iterator[Any]:
    """Yield each piece of a value that a schema judges.

    A message with tool calls: the arguments of each. Another message: its content, parsed if it
    is JSON text. The result of ``with_structured_output(include_raw=True)``: what was parsed.
    Anything else: itself.
    """
    if isinstance(value, AIMessage) and value.tool_calls:
        yield from (call["args"] for call in value.tool_calls)
        yield from (call["args"] for call in value.invalid_tool_calls)
    elif isinstance(value, BaseMessage):
        yield _parsed(value.text)
    elif _is_raw_and_parsed(value):
        yield value["parsed"]
    else:
        yield value


def _is_raw_and_parsed(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"raw", "parsed", "parsing_error"}


def _parsed(text: str) -> Any:
    """JSON text as its value; other text as it is, which no object schema takes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
