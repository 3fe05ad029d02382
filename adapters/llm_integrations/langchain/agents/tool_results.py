"""What a tool gave back, as what it is: LangChain makes text of it before it can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import wraps
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.tools import BaseTool

from llm_integrations.langchain.agents.tool_calls import really_run
from llm_integrations.langchain.reading.fields import data_of
from llm_integrations.langchain.reading.state import graph_kind
from llm_integrations.langchain.reading.text import said_by

__all__ = ["messages_in", "result_data", "watched"]


def watched(tool: BaseTool, seen: list[Any]) -> BaseTool:
    """A copy of a tool that notes what it returns."""
    copy = tool.model_copy()
    tool, watching = really_run(tool), really_run(copy)
    run, arun = tool._run, tool._arun

    @wraps(run)
    def noting(*args: Any, **kwargs: Any) -> Any:
        seen.append(run(*args, **kwargs))
        return seen[-1]

    @wraps(arun)
    async def anoting(*args: Any, **kwargs: Any) -> Any:
        seen.append(await arun(*args, **kwargs))
        return seen[-1]

    # Fields are frozen by pydantic's rules; methods of an instance are not its business.
    object.__setattr__(watching, "_run", noting)
    if type(tool)._arun is not BaseTool._arun:
        object.__setattr__(watching, "_arun", anoting)
    return copy


def messages_in(result: Any, call_id: str | None) -> Iterator[ToolMessage]:
    """The messages that answer a call: the result itself, or those in the update of a Command."""
    if isinstance(result, ToolMessage):
        yield result
    elif isinstance(result, list | tuple):
        for one in result:
            yield from messages_in(one, call_id)
    elif isinstance(result, Mapping):
        for one in result.values():
            yield from messages_in(one, call_id)
    elif graph_kind(result) == "Command":
        found = list(messages_in(result.update, call_id))
        yield from [one for one in found if one.tool_call_id == call_id] or found


def result_data(message: ToolMessage, seen: list[Any]) -> Any:
    """What a schema judges of a result: what was returned, if it is more than text.

    An artifact is what programs read (MCP tools put their structured content there); else the
    object that the tool returned; else the text.
    """
    artifact = message.artifact
    if artifact is not None:
        structured = isinstance(artifact, dict) and artifact.get("structured_content")
        return data_of(structured or artifact, is_answer=True)
    returned = seen[-1] if seen else None
    if returned is None or isinstance(returned, str | BaseMessage) or returned == message.content:
        return said_by(message)
    if graph_kind(returned) == "Command" or _holds_messages(returned):
        return said_by(message)
    if isinstance(returned, tuple) and len(returned) == 2 and message.artifact is returned[1]:
        returned = returned[0]
        if isinstance(returned, str):
            return said_by(message)
    return data_of(returned, is_answer=True)


def _holds_messages(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(messages_in(value, None))
