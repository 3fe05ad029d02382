"""The data in a LangChain value that a schema judges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_core.prompt_values import PromptValue

from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.validation import Validator
from llm_integrations.langchain.reading.fields import data_of
from llm_integrations.langchain.reading.text import Said, broken_off, is_cut_off, said_by

__all__ = [
    "answers",
    "calls_tools",
    "judge_piece",
    "message_of",
    "payloads",
    "prompt_input",
    "unseen_answer",
]

_RAW: Final = {"raw", "parsed", "parsing_error"}


def payloads(value: Any, *, is_answer: bool = False) -> Iterator[Any]:
    """Yield each piece of a value that a schema judges.

    A message with tool calls: the arguments of each. Another message: what it said. The result of
    ``with_structured_output(include_raw=True)``: what was parsed. Anything else: itself.

    Args:
        is_answer: whether a model said it, so that text may hold JSON.
    """
    if type(value) is dict and not is_answer and value.keys() != _RAW:  # most inputs
        yield value
    elif isinstance(value, AIMessage) and (value.tool_calls or value.invalid_tool_calls):
        yield from _arguments(value)
    elif isinstance(value, BaseMessage):
        yield said_by(value)
    elif isinstance(value, dict) and value.keys() == _RAW:
        raw = value["raw"]
        broken = isinstance(raw, AIMessage) and broken_off(raw)
        yield Said("", raw) if broken else data_of(value["parsed"], is_answer=True)
    elif isinstance(value, str):
        yield Said(value) if is_answer else value
    else:
        yield data_of(value, is_answer=is_answer)


def _arguments(message: AIMessage) -> Iterator[Any]:
    """The arguments of each call. Those of a stream are as they were said: LangChain reads what
    broke off as if it had ended there."""
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    said = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
    if len(said) == len(calls):
        yield from (Said(one["args"], message) if one["args"] else {} for one in said)
        return
    yield from (Said(a, message) if isinstance(a := call["args"], str) else a for call in calls)
    if is_cut_off(message):
        yield Said("", message)


def answers(result: LLMResult) -> Iterator[Any]:
    """Every candidate answer of a model's run."""
    for candidates in result.generations:
        for candidate in candidates:
            yield from payloads(message_of(candidate))


def message_of(candidate: Generation) -> BaseMessage:
    """A candidate answer as a message; a text model's with what its provider says of its end."""
    if isinstance(candidate, ChatGeneration):
        return candidate.message
    return AIMessage(candidate.text, response_metadata=candidate.generation_info or {})


def unseen_answer(given: Sequence[Any], validator: Validator) -> list[Any]:
    """The answer in what the steps after a prompt gave, where no model was seen to give one.

    The first that satisfies the schema, or else the last; the prompt itself, passed on, is none.
    """
    prompts = [one for one in given if isinstance(one, PromptValue)]
    asked = {one.to_string() for one in prompts}
    asked.update(message.text for one in prompts for message in one.to_messages())
    found = [list(payloads(one, is_answer=True)) for one in given if not _asks(one, asked)]
    fitting = (pieces for pieces in found if all(_fits(validator, piece) for piece in pieces))
    return next(fitting, found[-1] if found else [])


def _asks(value: Any, asked: Collection[str]) -> bool:
    """Whether a value is on its way to a model, or to a tool."""
    if isinstance(value, AIMessage):
        return bool(value.tool_calls)
    if isinstance(value, list | tuple):
        return bool(value) and _asks(value[-1], asked)
    if isinstance(value, Mapping):
        return any(_asks(one, asked) for one in value.values())
    return isinstance(value, PromptValue | BaseMessage) or (
        isinstance(value, str) and value in asked
    )


def _fits(validator: Validator, piece: Any) -> bool:
    value, words = piece.read(validator) if isinstance(piece, Said) else (piece, "")
    return not words and validator.is_valid(value)


def calls_tools(result: LLMResult) -> bool:
    """Whether a model's answer is to have tools run."""
    messages = (
        candidate.message
        for candidates in result.generations
        for candidate in candidates
        if isinstance(candidate, ChatGeneration)
    )
    return any(
        isinstance(m, AIMessage) and (m.tool_calls or m.invalid_tool_calls) for m in messages
    )


def judge_piece(judge: Judge, validator: Validator, piece: Any) -> Verdict:
    """The verdict on one piece of a value. Raises as ``Judge.judge_by``."""
    if not isinstance(piece, Said):
        return judge.judge_by(validator, piece)
    value, words = piece.read(validator)
    return judge.refuse(validator, words) if words else judge.judge_by(validator, value)


def prompt_input(inputs: Any, partials: Mapping[str, Any] | None, validator: Validator) -> Any:
    """The input of a prompt as its schema sees it.

    A bare value, which a prompt of one variable takes, stands for that one property; what
    ``partial`` filled in is a part of the input. The caller's dict is never changed.
    """
    if not isinstance(inputs, Mapping):
        name = _only_property(validator.body)
        inputs = inputs if name is None else {name: inputs}
    return {**partials, **inputs} if partials and isinstance(inputs, Mapping) else inputs


def _only_property(body: Any) -> str | None:
    properties = body.get("properties") if isinstance(body, dict) else None
    return next(iter(properties)) if properties and len(properties) == 1 else None
