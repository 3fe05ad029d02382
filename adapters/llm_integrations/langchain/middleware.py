"""Agent middleware: tool calls, tool results and the structured response."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from operator import is_
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage

from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions, check_name
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.judge import Side
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.validation import Validator
from llm_integrations.langchain.agents.tool_calls import held
from llm_integrations.langchain.agents.tool_results import messages_in, result_data, watched
from llm_integrations.langchain.asking_again import feedback
from llm_integrations.langchain.asking_again.answers import Asking, check_retries
from llm_integrations.langchain.asking_again.on_invalid import OnInvalid, astand_in, stand_in
from llm_integrations.langchain.drift.offered import name_of
from llm_integrations.langchain.drift.tool_drift import ToolDrift, references_of
from llm_integrations.langchain.reading.fields import data_of
from llm_integrations.langchain.reading.payload import judge_piece
from llm_integrations.langchain.reading.text import Said, is_cut_off, said_by
from llm_integrations.langchain.traced import TracedJudge
from llm_integrations.langchain.walk import Role

require_extra("langchain", "langchain", "langgraph")

from langgraph.runtime import Runtime  # noqa: E402 - the check is first
from langgraph.types import Command  # noqa: E402

from langchain.agents.middleware import AgentMiddleware, AgentState  # noqa: E402
from langchain.agents.middleware.types import (  # noqa: E402
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
)
from llm_integrations.langchain.agents.messages import (  # noqa: E402 - the check is first
    after_exchange,
    answer_in,
    answer_names,
    asking_again,
    cut_off,
    error_message,
    told_about,
)

__all__ = ["SchemaMiddleware"]

Result = ToolMessage | Command[Any]


class SchemaMiddleware(AgentMiddleware[Any, Any, Any]):
    """Holds an agent's tools and its answer to schemas.

    Under enforce a tool is not called with invalid arguments and its invalid result is not shown:
    the model gets an error message that names what is wrong. An invalid structured response is
    asked for again, up to ``retries`` times, and then raises SchemaValidationError; it is never
    part of the agent's state. Under warn all of it is logged and counted.

    Put it first among the middleware: it looks whether the agent has the tools that it names.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        tools: schemas of arguments, by tool name, as ``{"search": "search-args@1"}``.
        results: schemas of results, by tool name: of the artifact if there is one, else of what the
            tool returned, an object or JSON text.
        response: schema of the structured response.
        mode: ``enforce``, ``warn`` (log and count, let pass) or ``off``; ``tools_mode``,
            ``results_mode`` and ``response_mode`` for one side alone, None meaning ``mode``.
        drift: ``enforce`` refuses to ask the model, and ``warn`` logs, if the tools' own schemas
            are not compatible with those in ``tools``; or a ToolDrift, as of an MCP server.
        on_unavailable: "raise" or "pass" when there is no schema to judge by.
        options: how to judge; None takes the registry's.
        retries: how often a model is asked again for a structured response that was invalid.
        on_invalid: a value, or a function of the error, that is the structured response in the
            place of one that is refused.
        langsmith: a LangSmith client, which gets feedback on what ``warn`` let pass.
        name: of its nodes in the graph; None makes one of what it guards.

    Raises:
        ConfigurationError: an argument is wrong; when the agent first calls its model, that it has
            no tool of a name, or no ``response_format``.
        IncompatibleSchema: when the agent calls its model or a tool, that its tools drifted.
    """

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        tools: Mapping[str, str | SchemaRef] | None = None,
        results: Mapping[str, str | SchemaRef] | None = None,
        response: str | SchemaRef | None = None,
        mode: Mode = "enforce",
        tools_mode: Mode | None = None,
        results_mode: Mode | None = None,
        response_mode: Mode | None = None,
        drift: Mode | ToolDrift = "off",
        on_unavailable: OnUnavailable | None = None,
        options: ValidationOptions | None = None,
        retries: int = 0,
        on_invalid: OnInvalid = None,
        langsmith: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        client = resolve_registry(registry)
        self._arguments = references_of(tools or {})
        self._results = references_of(results or {})
        self._response = None if response is None else SchemaRef.parse(response)
        self._retries = check_retries(retries)
        modes: dict[Side, Mode] = {
            "tool": mode if tools_mode is None else tools_mode,
            "tool_result": mode if results_mode is None else results_mode,
            "output": mode if response_mode is None else response_mode,
        }
        self._judges = {
            side: TracedJudge(
                client, "langchain", side, side_mode, on_unavailable, options, langsmith
            )
            for side, side_mode in modes.items()
        }
        if not isinstance(drift, ToolDrift):
            if drift != "off" and not self._arguments:
                raise ConfigurationError("drift= compares the schemas in tools=: there are none")
            drift = ToolDrift(
                self._arguments or None,
                registry=client,
                mode=drift,
                on_unavailable=on_unavailable,
                options=options,
            )
        self._drift = drift
        self._compared: list[Any] = []
        self._on_invalid = on_invalid
        if name is not None:
            check_name("name", name)
        self._name = name or f"SchemaMiddleware-{self._mark(modes)}"

    def _mark(self, modes: Mapping[Side, Mode]) -> str:
        """What tells two of them in one agent apart, in every process alike."""
        guarded = [self._arguments, self._results, self._response, modes, self._retries]
        return sha256(json.dumps(guarded, default=str, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        return self._name

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        """Its schemas, for the catalogue and ``prepare``."""
        uses: list[tuple[str, Role, str]] = [
            *((f"arguments of {tool}", "input", str(ref)) for tool, ref in self._arguments.items()),
            *((f"result of {tool}", "output", str(ref)) for tool, ref in self._results.items()),
        ]
        return uses if self._response is None else [*uses, ("", "output", str(self._response))]

    # -- tools ----------

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]
    ) -> Result:
        self._drift.raise_if_drifted()
        call = request.tool_call
        reference = self._arguments.get(call["name"])
        validator = None if reference is None else self._judges["tool"].resolve(reference)
        refusal = self._of_call(request, validator)
        if refusal is not None:
            return refusal
        reference = self._results.get(call["name"])
        if reference is None:
            return handler(self._holding(request, validator))
        seen: list[Any] = []
        result = handler(self._holding(_watching(request, seen), validator))
        return self._of_result(call, self._judges["tool_result"].resolve(reference), result, seen)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        self._drift.raise_if_drifted()
        call = request.tool_call
        reference = self._arguments.get(call["name"])
        validator = None if reference is None else await self._judges["tool"].aresolve(reference)
        refusal = self._of_call(request, validator)
        if refusal is not None:
            return refusal
        reference = self._results.get(call["name"])
        if reference is None:
            return await handler(self._holding(request, validator))
        seen: list[Any] = []
        result = await handler(self._holding(_watching(request, seen), validator))
        validator = await self._judges["tool_result"].aresolve(reference)
        return self._of_result(call, validator, result, seen)

    def _of_call(self, request: ToolCallRequest, validator: Validator | None) -> ToolMessage | None:
        """Under enforce, the message that tells the model of an invalid call."""
        if validator is None:
            return None
        judge, call = self._judges["tool"], request.tool_call
        broken_off = cut_off(request.state, call["id"])
        verdict = judge_piece(judge, validator, broken_off or call["args"])
        if verdict.report is None or judge.mode != "enforce":
            judge.act(verdict)
            return None
        told = feedback.about_call(call["name"], verdict.report, validator, call["args"])
        return error_message(call, told)

    def _holding(self, request: ToolCallRequest, validator: Validator | None) -> ToolCallRequest:
        """The call of a tool that runs with what was judged, whatever middleware makes of it."""
        tool, call = request.tool, request.tool_call
        if validator is None or tool is None:
            return request

        def refuse(arguments: Mapping[str, Any]) -> ToolMessage | None:
            changed: Any = {**call, "args": arguments}
            return self._of_call(request.override(tool_call=changed), validator)

        return request.override(tool=held(tool, call["args"], refuse))

    def _of_result(
        self, call: Mapping[str, Any], validator: Validator | None, result: Result, seen: list[Any]
    ) -> Result:
        """The result, or under enforce the message that stands for an invalid one."""
        if validator is None:
            return result
        judge, name = self._judges["tool_result"], call["name"]
        messages = list(messages_in(result, call["id"]))
        for message in messages:
            if message.status == "error":
                continue
            verdict = judge_piece(judge, validator, result_data(message, seen))
            if verdict.report is not None and judge.mode == "enforce":
                return error_message(call, feedback.about_result(name, verdict.report))
            judge.act(verdict)
        if not messages:
            judge.skip(validator)
            if judge.mode == "enforce":
                return error_message(
                    call, feedback.about_unjudged_result(name, validator.reference)
                )
        return result

    # -- the structured response ----------

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        self._check_agent(request)
        if self._has_new(request.tools):
            self._drift.check(request.tools)
            self._compared = list(request.tools)
        self._drift.raise_if_drifted()
        response = handler(request)
        if self._response is None or response.structured_response is None:
            return response
        judge = self._judges["output"]
        validator = judge.resolve(self._response)
        asking = Asking(judge, self._retries)
        said: list[BaseMessage] = []
        while True:
            try:
                again = self._again(asking, validator, response)
            except SchemaValidationError as error:
                return after_exchange(said, response, stand_in(self._on_invalid, error))
            if again is None:
                return after_exchange(said, response)
            said += again
            response = handler(asking_again(request, said))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        self._check_agent(request)
        if self._has_new(request.tools):
            await self._drift.acheck(request.tools)
            self._compared = list(request.tools)
        self._drift.raise_if_drifted()
        response = await handler(request)
        if self._response is None or response.structured_response is None:
            return response
        judge = self._judges["output"]
        validator = await judge.aresolve(self._response)
        asking = Asking(judge, self._retries)
        said: list[BaseMessage] = []
        while True:
            try:
                again = self._again(asking, validator, response)
            except SchemaValidationError as error:
                return after_exchange(said, response, await astand_in(self._on_invalid, error))
            if again is None:
                return after_exchange(said, response)
            said += again
            response = await handler(asking_again(request, said))

    def _again(
        self, asking: Asking, validator: Validator | None, response: ModelResponse[Any]
    ) -> list[BaseMessage] | None:
        """What was said and what is wrong with it; None if the response is let through."""
        if validator is None:
            return None
        answer, message = response.structured_response, answer_in(response.result)
        if answer is None:
            if asking.is_first or message is None or message.tool_calls:
                return None  # other tools come first
            piece: Any = said_by(message)
        elif message is not None and message.tool_calls and is_cut_off(message):
            piece = Said("", message)
        else:
            piece = data_of(answer, is_answer=True)
        told = asking.hear(validator, piece)
        return None if told is None else told_about(response.result, told)

    def after_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        if self._response is None:
            return None
        try:
            self._judge_end(self._judges["output"].resolve(self._response), state)
        except SchemaValidationError as error:
            return {"structured_response": stand_in(self._on_invalid, error)}
        return None

    async def aafter_agent(
        self, state: AgentState[Any], runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        if self._response is None:
            return None
        try:
            self._judge_end(await self._judges["output"].aresolve(self._response), state)
        except SchemaValidationError as error:
            return {"structured_response": await astand_in(self._on_invalid, error)}
        return None

    def _judge_end(self, validator: Validator | None, state: Mapping[str, Any]) -> None:
        """What is there at the end was judged when the model gave it; or others put it there."""
        judge = self._judges["output"]
        if validator is None:
            return
        if state.get("structured_response") is None:
            judge.act(judge.refuse(validator, "is missing: the agent ended without a response"))
        elif judge.mode == "enforce" and self._on_invalid is None:
            data = data_of(state["structured_response"], is_answer=True)
            if not validator.is_valid(data):
                judge.act(judge.judge_by(validator, data))

    def _has_new(self, tools: Sequence[Any]) -> bool:
        """Whether these tools are to be compared: not those that were, nor a followed server's."""
        if self._drift.is_following:
            return False
        before = self._compared
        return len(before) != len(tools) or not all(map(is_, before, tools))

    def _check_agent(self, request: ModelRequest[Any]) -> None:
        """ConfigurationError for what is named and not there: it would look guarded."""
        if self._response is not None and request.response_format is None:
            raise ConfigurationError(
                f"response={str(self._response)!r} guards nothing: the agent has no structured "
                f"response; give create_agent a response_format as well"
            )
        known = {name_of(tool) for tool in request.tools}
        unknown = (self._arguments.keys() | self._results.keys()) - known
        if unknown:
            answers = unknown & answer_names(request.response_format)
            hint = (
                f"{', '.join(sorted(answers))} is the structured response: name its schema with "
                f"response="
                if answers
                else f"it has {', '.join(sorted(known)) or 'none'}"
            )
            names = ", ".join(sorted(unknown))
            raise ConfigurationError(f"the agent has no tool named {names}; {hint}")


def _watching(request: ToolCallRequest, seen: list[Any]) -> ToolCallRequest:
    tool = request.tool
    return request if tool is None else request.override(tool=watched(tool, seen))
