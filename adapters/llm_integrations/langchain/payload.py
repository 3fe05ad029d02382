"""The data in a LangChain value that a schema judges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from llm_integrations.core.validation import Validator

__all__ = ["answers", "payloads", "prompt_input"]


def payloads(value: Any) -> Iterator[Any]:
    """Yield each piece of a value that a schema judges.

    A message with tool calls: the arguments of each. Another message: its content, parsed if it
    is JSON text. The result of ``with_structured_output(include_raw=True)``: what was parsed.
    Anything else: itself.
    """
    if isinstance(value, AIMessage) and (value.tool_calls or value.invalid_tool_calls):
        yield from (call["args"] for call in value.tool_calls)
        yield from (call["args"] for call in value.invalid_tool_calls)
    elif isinstance(value, BaseMessage):
        yield _parsed(value.text)
    elif _is_raw_and_parsed(value):
        yield value["parsed"]
    else:
        yield value


def answers(result: LLMResult) -> Iterator[Any]:
    """Every candidate answer of a model's run."""
    for candidates in result.generations:
        for candidate in candidates:
            if isinstance(candidate, ChatGeneration):
                yield from payloads(candidate.message)
            else:
                yield _parsed(candidate.text)


def prompt_input(inputs: Any, partials: Mapping[str, Any] | None, validator: Validator) -> Any:
    """The input of a prompt as its schema sees it.

    A bare value, which a prompt of one variable takes, stands for that one property; what
    ``partial`` filled in is a part of the input. The caller's dict is never changed.
    """
    if not isinstance(inputs, Mapping):
        name = _only_property(validator.body)
        inputs = inputs if name is None else {name: inputs}
    return {**partials, **inputs} if partials and isinstance(inputs, Mapping) else inputs


def _only_property(body: Any) -> str | None:
    properties = body.get("properties") if isinstance(body, dict) else None
    return next(iter(properties)) if properties and len(properties) == 1 else None


def _is_raw_and_parsed(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"raw", "parsed", "parsing_error"}


def _parsed(text: str) -> Any:
    """JSON text as its value; other text as it is, which every object schema refuses."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
