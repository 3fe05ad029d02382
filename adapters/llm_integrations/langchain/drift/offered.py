"""The schemas that a tool states itself, whichever kind of tool it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, StructuredTool

from llm_integrations.core.binding import TOOL
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.class_schema import schema_of
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.langchain.walk import tools_in

__all__ = ["Offered", "name_of", "offered", "offers_of"]

_ARGUMENTS = ("inputSchema", "input_schema", "parameters")
_RESULTS = ("outputSchema", "output_schema")


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as it describes itself.

    Attributes:
        name: of the tool.
        arguments: the schema of its arguments, without what is injected; None if it states none.
        results: the schema of its structured results; None if it states none.
        bound: the reference in its metadata, under ``schema_tool``.
    """

    name: str
    arguments: JsonSchema | None
    results: JsonSchema | None = None
    bound: str | None = None


def offers_of(tools: Iterable[Any] | Runnable[Any, Any]) -> dict[str, Offered]:
    """Every tool by its name; of two with one name the last, as agents have it.

    Raises:
        ConfigurationError: they are no tools, and no agent that has some.
    """
    if isinstance(tools, Runnable):
        tools = tools_in(tools)
    elif not isinstance(tools, Iterable) or isinstance(tools, str | Mapping):
        raise ConfigurationError(f"a list of tools is wanted, not {type(tools).__name__}")
    return {found.name: found for found in map(offered, tools)}


def offered(tool: Any) -> Offered:
    """What one tool says: LangChain's, MCP's own, a provider's dict, or a function.

    Raises:
        ConfigurationError: it is no tool.
        InvalidSchema: its arguments have no schema.
    """
    if isinstance(tool, FunctionType | MethodType):
        tool = StructuredTool.from_function(tool, description=tool.__doc__ or tool.__name__)
    if isinstance(tool, BaseTool):
        bound = (tool.metadata or {}).get(TOOL)
        return Offered(tool.name, schema_of(tool.tool_call_schema), None, bound)
    fields = tool if isinstance(tool, Mapping) else _fields(tool)
    fields = {**fields, **(fields.get("function") or {})}
    if not fields.get("name") and not fields.get("type"):
        raise ConfigurationError(
            f"a tool is LangChain's, MCP's, a function or a dict, not {type(tool).__name__}"
        )
    return Offered(name_of(tool), _first(fields, _ARGUMENTS), _first(fields, _RESULTS))


def name_of(tool: BaseTool | Mapping[str, Any] | Any) -> str:
    """The name of a tool that an agent has; a provider's own is named by its type."""
    if not isinstance(tool, Mapping):
        return str(tool.name)
    return str(tool.get("name") or tool.get("function", {}).get("name") or tool.get("type"))


def _fields(tool: Any) -> dict[str, Any]:
    names = ("name", *_ARGUMENTS, *_RESULTS)
    return {name: getattr(tool, name) for name in names if hasattr(tool, name)}


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> JsonSchema | None:
    return next((fields[name] for name in names if fields.get(name) is not None), None)
