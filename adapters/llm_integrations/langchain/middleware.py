"""Agent middleware: tool calls, tool results and the structured response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import ToolMessage

from llm_integrations.core.config import Mode, OnUnavailable
from llm_integrations.core.extras import require_extra
from llm_integrations.core.judge import Judge, Verdict
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
class _Question:
    """Something to judge, in a sync or an async agent."""

    judge_: Judge
    reference: SchemaRef
    data: Any

    def judge(self) -> Verdict:
        return self.judge_.judge(self.reference, self.data)

    async def ajudge(self) -> Verdict:
        return await self.judge_.ajudge(self.reference, self.data)


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
        mode: as everywhere.
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
        self._judges = {
            side: Judge(
                client, module="langchain", side=side, mode=mode, on_unavailable=on_unavailable
            )
            for side in ("tool", "tool_result", "output")
        }

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]
    ) -> Result:
        call = request.tool_call
        question = self._about_arguments(call)
        refused = self._refusal(question.judge() if question else None, call)
        if refused is not None:
            return refused
        result = handler(request)
        question = self._about_result(call, result)
        return self._refusal(question.judge() if question else None, call) or result

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        call = request.tool_call
        question = self._about_arguments(call)
        refused = self._refusal(await question.ajudge() if question else None, call)
        if refused is not None:
            return refused
        result = await handler(request)
        question = self._about_result(call, result)
        return self._refusal(await question.ajudge() if question else None, call) or result

    def after_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        question = self._about_response(state)
        if question is not None:
            question.judge_.act(question.judge())
        return None

    async def aafter_agent(
        self, state: AgentState[Any], runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        question = self._about_response(state)
        if question is not None:
            question.judge_.act(await question.ajudge())
        return None

    def _about_arguments(self, call: Mapping[str, Any]) -> _Question | None:
        return self._question("tool", self._arguments.get(call["name"]), call["args"])

    def _about_result(self, call: Mapping[str, Any], result: Result) -> _Question | None:
        if not isinstance(result, ToolMessage) or result.status == "error":
            return None
        [payload] = payloads(result)
        return self._question("tool_result", self._results.get(call["name"]), payload)

    def _about_response(self, state: Mapping[str, Any]) -> _Question | None:
        if "structured_response" not in state:
            return None
        return self._question("output", self._response, state["structured_response"])

    def _question(self, side: str, reference: SchemaRef | None, data: Any) -> _Question | None:
        return None if reference is None else _Question(self._judges[side], reference, data)

    def _refusal(self, verdict: Verdict | None, call: Mapping[str, Any]) -> ToolMessage | None:
        """Under enforce, what the model is told about an invalid call or result."""
        if verdict is None or verdict:
            return None
        judge = self._judges["tool"]
        if judge.mode != "enforce":
            judge.act(verdict)
            return None
        return ToolMessage(
            content=f"Error: {call['name']} {verdict.report}. Mend this and call it again.",
            name=call["name"],
            tool_call_id=call["id"],
            status="error",
        )


def _references(named: Mapping[str, str] | None) -> dict[str, SchemaRef]:
    return {tool: SchemaRef.parse(reference) for tool, reference in (named or {}).items()}
