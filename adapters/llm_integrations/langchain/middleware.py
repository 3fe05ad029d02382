"""Agent middleware: tool calls, tool results and the structured response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import ToolMessage

from llm_integrations.core.config import Mode, OnUnavailable, check_name
from llm_integrations.core.extras import require_extra
from llm_integrations.core.judge import OFF, Judge, Side, Verdict
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.langchain.payload import payloads

require_extra("langchain", "langchain", "langgraph")

from langgraph.runtime import Runtime  # noqa: E402 - the check is first
from langgraph.types import Command  # noqa: E402

from langchain.agents.middleware import AgentMiddleware, AgentState  # noqa: E402
from langchain.agents.middleware.types import ToolCallRequest  # noqa: E402

__all__ = ["SchemaMiddleware"]

Result = ToolMessage | Command[Any]


@dataclass(frozen=True, slots=True)
class _Check:
    """One value and the schema to judge it by; without a schema it passes."""

    by: Judge
    reference: SchemaRef | None
    data: Any = None
    call: Mapping[str, Any] = field(default_factory=dict)

    def judge(self) -> Verdict:
        return OFF if self.reference is None else self.by.judge(self.reference, self.data)

    async def ajudge(self) -> Verdict:
        return OFF if self.reference is None else await self.by.ajudge(self.reference, self.data)

    def refusal(self, verdict: Verdict) -> ToolMessage | None:
        """Under enforce, the message that tells the model of an invalid call or result."""
        if verdict:
            return None
        if self.by.mode != "enforce":
            self.by.act(verdict)
            return None
        return ToolMessage(
            content=f"Error: {self.call['name']} {verdict.report}. Mend this and call it again.",
            name=self.call["name"],
            tool_call_id=self.call["id"],
            status="error",
        )


class SchemaMiddleware(AgentMiddleware[Any, Any, Any]):
    """Holds an agent's tools and its answer to schemas.

    Under enforce a tool is not called with invalid arguments and its invalid result is not shown:
    the model gets an error message that names what is wrong, which it can mend. An invalid
    structured response raises SchemaValidationError. Under warn all of it is logged and counted.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        tools: schemas of arguments, by tool name, as ``{"search": "search-args@1"}``.
        results: schemas of results (JSON content), by tool name.
        response: schema of the structured response.
        mode: ``enforce``, ``warn`` (log and count, let pass) or ``off``.
        on_unavailable: "raise" or "pass" when there is no schema to judge by.
    """

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        tools: Mapping[str, str] | None = None,
        results: Mapping[str, str] | None = None,
        response: str | None = None,
        mode: Mode = "enforce",
        on_unavailable: OnUnavailable | None = None,
    ) -> None:
        super().__init__()
        client = resolve_registry(registry)
        self._arguments = _references(tools)
        self._results = _references(results)
        self._response = None if response is None else SchemaRef.parse(response)
        sides: tuple[Side, ...] = ("tool", "tool_result", "output")
        self._judges = {
            side: Judge(
                client, module="langchain", side=side, mode=mode, on_unavailable=on_unavailable
            )
            for side in sides
        }

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]
    ) -> Result:
        check = self._check_arguments(request.tool_call)
        refusal = check.refusal(check.judge())
        if refusal is not None:
            return refusal
        result = handler(request)
        check = self._check_result(request.tool_call, result)
        return check.refusal(check.judge()) or result

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        check = self._check_arguments(request.tool_call)
        refusal = check.refusal(await check.ajudge())
        if refusal is not None:
            return refusal
        result = await handler(request)
        check = self._check_result(request.tool_call, result)
        return check.refusal(await check.ajudge()) or result

    def after_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        check = self._check_response(state)
        check.by.act(check.judge())
        return None

    async def aafter_agent(
        self, state: AgentState[Any], runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        check = self._check_response(state)
        check.by.act(await check.ajudge())
        return None

    def _check_arguments(self, call: Mapping[str, Any]) -> _Check:
        reference = self._arguments.get(call["name"])
        return _Check(self._judges["tool"], reference, call["args"], call)

    def _check_result(self, call: Mapping[str, Any], result: Result) -> _Check:
        judge = self._judges["tool_result"]
        if not isinstance(result, ToolMessage) or result.status == "error":
            return _Check(judge, None)
        [payload] = payloads(result)
        return _Check(judge, self._results.get(call["name"]), payload, call)

    def _check_response(self, state: Mapping[str, Any]) -> _Check:
        reference = self._response if "structured_response" in state else None
        return _Check(self._judges["output"], reference, state.get("structured_response"))


def _references(named: Mapping[str, str] | None) -> dict[str, SchemaRef]:
    for tool in named or ():
        check_name("a tool's name", tool)
    return {tool: SchemaRef.parse(reference) for tool, reference in (named or {}).items()}
