"""What a tool is really called with: middleware behind ours, and people, change calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.pydantic import get_fields

__all__ = ["held", "really_run"]

Refuse = Callable[[Mapping[str, Any]], ToolMessage | None]


def held(tool: BaseTool, judged: Mapping[str, Any], refuse: Refuse) -> BaseTool:
    """A copy of a tool that is not run with other arguments than were judged, unless they pass.

    What runs is the tool itself, so that it keeps what it counts and opens; of a copy that others
    make of the copy, their copy of the tool.

    Args:
        judged: the arguments that were.
        refuse: gives what is answered in the place of a call with others; None runs it.
    """
    return _Hold(tool, repr(judged), refuse).stand_in()


def really_run(tool: BaseTool) -> BaseTool:
    """The tool that a copy of ``held`` runs; others run themselves."""
    while "__wrapped__" in vars(tool):
        tool = vars(tool)["__wrapped__"]
    return tool


@dataclass(slots=True)
class _Hold:
    """What is asked before a tool is run.

    Attributes:
        passed: the arguments that may be, as text: objects change in place, and 1 equals True.
    """

    tool: BaseTool
    passed: str
    refuse: Refuse

    def stand_in(self) -> BaseTool:
        copy, tool = self.tool.model_copy(), self.tool
        own = {
            "__wrapped__": tool,
            "model_copy": self._copied,
            "invoke": self._asked_before(tool.invoke),
            "run": self._asked_before(tool.run),
            "ainvoke": self._asked_before_async(tool.ainvoke),
            "arun": self._asked_before_async(tool.arun),
        }
        for name, value in own.items():
            # Fields are frozen by pydantic's rules; methods of an instance are not its business.
            object.__setattr__(copy, name, value)
        return copy

    def _copied(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> BaseTool:
        copy = self.tool.model_copy(update=update, deep=deep)
        return _Hold(copy, self.passed, self.refuse).stand_in()

    def _asked_before(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            refused = self._refusal(*args, **kwargs)
            return run(*args, **kwargs) if refused is None else refused

        return call

    def _asked_before_async(self, run: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            refused = self._refusal(*args, **kwargs)
            return await run(*args, **kwargs) if refused is None else refused

        return call

    def _refusal(self, *args: Any, **kwargs: Any) -> ToolMessage | None:
        given = args[0] if args else kwargs.get("input", kwargs.get("tool_input"))
        filled_in = _filled_in(self.tool)
        arguments = _arguments(self.tool, given).items()
        said = {name: value for name, value in arguments if name not in filled_in}
        shown = repr(said)
        if shown == self.passed:
            return None
        refused = self.refuse(said)
        if refused is None:
            self.passed = shown
        return refused


def _arguments(tool: BaseTool, given: Any) -> Mapping[str, Any]:
    """The arguments that a tool is given: in a call, alone, or the text of the only one."""
    if not isinstance(given, Mapping):
        return {next(iter(tool.args), "input"): given}
    arguments: Mapping[str, Any] = given["args"] if given.get("type") == "tool_call" else given
    return arguments


def _filled_in(tool: BaseTool) -> AbstractSet[str]:
    """The arguments of which no model is told: the graph's state, its store, its runtime."""
    names: AbstractSet[str] = getattr(tool, "_injected_args_keys", frozenset())
    if not isinstance(tool.args_schema, type):
        return names
    stated: Any = tool.tool_call_schema
    return names | (get_fields(tool.args_schema).keys() - get_fields(stated).keys())
