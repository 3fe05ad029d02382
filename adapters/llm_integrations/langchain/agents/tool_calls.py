"""What a tool is really called with: middleware behind ours, and people, change calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool

__all__ = ["held"]


def held(
    tool: BaseTool,
    judged: Mapping[str, Any],
    refuse: Callable[[Mapping[str, Any]], ToolMessage | None],
) -> BaseTool:
    """A copy of a tool that is not run with other arguments than were judged, unless they pass.

    Args:
        judged: the arguments that were.
        refuse: gives what is answered in the place of a call with others; None runs it.
    """
    copy = tool.model_copy()
    run, arun = tool.invoke, tool.ainvoke
    passed = judged

    def refusal(given: Any) -> ToolMessage | None:
        nonlocal passed
        arguments = given.get("args") if isinstance(given, Mapping) else None
        said = _said(tool, arguments, passed) if isinstance(arguments, Mapping) else passed
        if said == passed:
            return None
        refused = refuse(said)
        if refused is None:
            passed = said
        return refused

    @wraps(run)
    def invoke(input: Any, *args: Any, **kwargs: Any) -> Any:
        refused = refusal(input)
        return run(input, *args, **kwargs) if refused is None else refused

    @wraps(arun)
    async def ainvoke(input: Any, *args: Any, **kwargs: Any) -> Any:
        refused = refusal(input)
        return await arun(input, *args, **kwargs) if refused is None else refused

    # Fields are frozen by pydantic's rules; methods of an instance are not its business.
    object.__setattr__(copy, "invoke", invoke)
    object.__setattr__(copy, "ainvoke", ainvoke)
    return copy


def _said(
    tool: BaseTool, arguments: Mapping[str, Any], judged: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments without what the graph fills in: its state, its store, its runtime."""
    added = arguments.keys() - judged.keys()
    filled_in = added - _stated(tool) if added else added
    return {name: value for name, value in arguments.items() if name not in filled_in}


def _stated(tool: BaseTool) -> set[str]:
    """The arguments that a model is told of."""
    schema = tool.tool_call_schema
    if isinstance(schema, dict):
        return set(schema.get("properties", ()))
    fields = getattr(schema, "model_fields", {})
    return {*fields, *(field.alias for field in fields.values() if field.alias)}
