"""One question to a model: its answers, and what it was told about them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.validation.normalise import normalise
from llm_integrations.langchain.asking_again.answers import Asking
from llm_integrations.langchain.asking_again.hearing import Heard, with_handler
from llm_integrations.langchain.reading.fields import data_of
from llm_integrations.langchain.reading.payload import payloads
from llm_integrations.langchain.reading.text import broken_off

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["EVENT", "Exchange", "messages_of"]

EVENT: Final = "schema_reask"
"""The custom event that a trace shows for each answer that is asked for again."""
_UNREAD: Final = "could not be read by the chain's own parser"


class Exchange:
    """One input, the model's answers to it, and what it was told about them."""

    def __init__(
        self,
        asking: Asking,
        validator: Validator | None,
        input: Any,
        config: RunnableConfig | None,
        *,
        has_tools: bool,
        hears: bool,
    ) -> None:
        """
        Args:
            has_tools: whether a message may call tools on the way to the answer.
            hears: whether a handler is to note what the model said.
        """
        self.input = input
        self.heard = Heard()
        self.config = with_handler(config, self.heard) if hears else config
        self._asking = asking
        self._validator = validator
        self._has_tools = has_tools
        self._said: Any = None
        self._told = ""

    def is_over(self, said: Any) -> bool:
        """Whether an answer is passed on; else ``tell`` makes the next input.

        Args:
            said: the answer, or why a parser could not read it.

        Raises:
            SchemaValidationError: it was the last one.
        """
        if self._validator is None or self._is_on_the_way(said):
            if isinstance(said, Exception):
                raise said
            return True
        message = None if isinstance(said, AIMessage) else self.heard.message
        broken = "" if message is None else broken_off(message)
        if broken or isinstance(said, Exception):
            words, why = broken or _UNREAD, broken or str(said)
            told = self._asking.hear_unreadable(self._validator, words, why)
        else:
            told = self._asking.hear(self._validator, *payloads(said, is_answer=True))
        if told is None:
            if isinstance(said, Exception):  # under warn the parser's own error goes on
                raise said
            return True
        self._said, self._told = message if broken else said, told
        self.heard.message = None
        return False

    def _is_on_the_way(self, said: Any) -> bool:
        return self._has_tools and isinstance(said, AIMessage) and bool(said.tool_calls)

    def tell(self) -> None:
        self._next()
        with suppress(RuntimeError):  # no run around this, so no trace either
            dispatch_custom_event(EVENT, self._event(), config=self.config)

    async def atell(self) -> None:
        self._next()
        with suppress(RuntimeError):
            await adispatch_custom_event(EVENT, self._event(), config=self.config)

    def _event(self) -> dict[str, Any]:
        """What a trace shows; without values, as every report."""
        report = self._asking.reports[-1]
        return {
            "schema": report.schema,
            "attempt": len(self._asking.reports),
            "report": str(report),
        }

    def _next(self) -> None:
        self.input = [
            *messages_of(self.input),
            *_answer(self._said),
            *_feedback(self._said, self._told),
        ]
        config = ensure_config(self.config)
        config.pop("run_id", None)
        config["tags"] = [
            *(tag for tag in config.get("tags", []) if not tag.startswith("reask:")),
            f"reask:{len(self._asking.reports)}",
        ]
        self.config = config


def messages_of(given: Any) -> list[BaseMessage]:
    """What a model was asked, as messages. ConfigurationError if it is none that a model takes."""
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, str | BaseMessage):
        return convert_to_messages([given])
    if isinstance(given, list):
        return convert_to_messages(given)
    raise ConfigurationError(
        f"reask tells the model what was wrong in a message, and its input is "
        f"{type(given).__name__}: put the prompt before it, as prompt | reask(model, …)"
    )


def _answer(said: Any) -> list[BaseMessage]:
    """What was answered, as a message."""
    if isinstance(said, AIMessage):
        is_whole = type(said) is AIMessage
        return [said if is_whole else AIMessage(**said.model_dump(exclude={"type", "id"}))]
    if isinstance(said, dict) and isinstance(said.get("raw"), AIMessage):
        return _answer(said["raw"])
    if isinstance(said, OutputParserException):
        return [AIMessage(said.llm_output or "(an answer that could not be read)")]
    if isinstance(said, Exception):
        return [AIMessage("(an answer that could not be read)")]
    if isinstance(said, str):
        return [AIMessage(said)]
    data = normalise(data_of(said, is_answer=True)).value
    return [AIMessage(json.dumps(data, ensure_ascii=False, default=str))]


def _feedback(said: Any, told: str) -> list[BaseMessage]:
    """What is wrong, as the answer to each call of a tool; models demand one to each."""
    message = said["raw"] if isinstance(said, dict) and "raw" in said else said
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        return [ToolMessage(told, tool_call_id=call["id"] or "", status="error") for call in calls]
    return [HumanMessage(told)]
