"""An agent's messages and names, as its middleware makes and reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage

from langchain.agents.middleware.types import ModelRequest, ModelResponse
from llm_integrations.langchain.reading.text import Said, is_cut_off

__all__ = [
    "after_exchange",
    "answer_in",
    "answer_names",
    "asking_again",
    "cut_off",
    "error_message",
    "told_about",
]


def error_message(call: Mapping[str, Any], content: str) -> ToolMessage:
    return ToolMessage(content=content, name=call["name"], tool_call_id=call["id"], status="error")


def cut_off(state: Any, call_id: str | None) -> Said | None:
    """What was said of a call that broke off, which LangChain may take for a whole one."""
    messages: Any = state.get("messages", ()) if isinstance(state, Mapping) else ()
    message = next((m for m in reversed(messages) if isinstance(m, AIMessage)), None)
    if message is None or message.invalid_tool_calls or not is_cut_off(message):
        return None
    last = [call["id"] for call in message.tool_calls[-1:]]
    return Said("", message) if last == [call_id] else None


def told_about(said: Iterable[BaseMessage], told: str) -> list[BaseMessage]:
    """An exchange with what is wrong in the place of what said that it was well."""
    result = list(said)
    if result and isinstance(result[-1], ToolMessage):
        answered = result[-1].model_copy(update={"content": told, "status": "error"})
        return [*result[:-1], answered]
    return [*result, HumanMessage(told)]


def answer_in(said: Iterable[BaseMessage]) -> AIMessage | None:
    return next((message for message in said if isinstance(message, AIMessage)), None)


def asking_again(request: ModelRequest[Any], said: list[BaseMessage]) -> ModelRequest[Any]:
    messages: list[AnyMessage] = [*request.messages, *said]  # type: ignore[list-item] # kinds of it
    return request.override(messages=messages)


def after_exchange(
    said: list[BaseMessage], response: ModelResponse[Any], instead: Any = None
) -> ModelResponse[Any]:
    """The last response, after the exchanges before it; or what stands for it."""
    if not said and instead is None:
        return response
    given = response.structured_response if instead is None else instead
    return ModelResponse(result=[*said, *response.result], structured_response=given)


def answer_names(response_format: Any) -> set[str]:
    specs = getattr(response_format, "schema_specs", None) or [
        getattr(response_format, "schema_spec", None)
    ]
    named = {getattr(spec, "name", None) for spec in specs}
    schema = getattr(response_format, "schema", None)
    named.add(
        schema.get("title") if isinstance(schema, dict) else getattr(schema, "__name__", None)
    )
    return {name for name in named if name}
