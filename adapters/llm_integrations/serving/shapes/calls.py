"""Tool calls as chats write them: ``tool_calls``, and the older ``function_call``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_integrations.serving.shapes.base import Parsed
from llm_integrations.serving.shapes.jsontext import as_dict, as_list
from llm_integrations.serving.shapes.part import Part

__all__ = ["add_calls", "arguments_of", "calls_in"]


def calls_in(message: Mapping[str, Any]) -> Iterator[tuple[str, str | Parsed]]:
    """The name and the arguments of each call in a whole message."""
    for call in as_list(message.get("tool_calls")):
        yield _named(as_dict(as_dict(call).get("function")))
    if function := as_dict(message.get("function_call")):
        yield _named(function)


def _named(function: Mapping[str, Any]) -> tuple[str, str | Parsed]:
    return str(function.get("name")), arguments_of(function.get("arguments"))


def arguments_of(value: Any) -> str | Parsed:
    """Arguments as text, or as what they are already; a tool without any is called with ``{}``."""
    if isinstance(value, str) and value.strip():
        return value
    return Parsed(value if value not in ("", None) and not isinstance(value, str) else {})


def add_calls(part: Part, delta: Mapping[str, Any]) -> None:
    """Put the fragments of calls in a stream's delta into an answer."""
    for position, call in enumerate(as_list(delta.get("tool_calls"))):
        call = as_dict(call)
        index = index if isinstance(index := call.get("index", position), int | str) else 0
        _add(part, index, call.get("function"), call.get("id"))
    if function := delta.get("function_call"):
        _add(part, "", function, None)


def _add(part: Part, index: int | str, function: Any, identity: Any) -> None:
    function = as_dict(function)
    part.add_call(index, function.get("name"), function.get("arguments"), identity)
