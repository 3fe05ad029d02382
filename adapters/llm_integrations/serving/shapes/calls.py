"""Tool calls as chats write them: ``tool_calls``, and the older ``function_call``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_integrations.serving.shapes.base import Parsed
from llm_integrations.serving.shapes.jsontext import as_dict, as_list

__all__ = ["arguments_of", "calls_in"]


def calls_in(message: Mapping[str, Any]) -> Iterator[tuple[str, str | Parsed]]:
    """The name and the arguments of each call in a whole message.

    What has neither is no call: text beside it is the answer.
    """
    for call in (*as_list(message.get("tool_calls")), {"function": message.get("function_call")}):
        function, custom = (as_dict(as_dict(call).get(kind)) for kind in ("function", "custom"))
        name = function.get("name") or custom.get("name")
        arguments = function.get("arguments", custom.get("input"))
        if name or arguments:
            yield str(name or ""), arguments_of(arguments)


def arguments_of(value: Any) -> str | Parsed:
    """Arguments as text, or as what they are already; a tool without any is called with ``{}``."""
    if isinstance(value, str) and value.strip():
        return value
    return Parsed(value if value not in ("", None) and not isinstance(value, str) else {})
