"""Between a model and its parser: an answer that broke off is refused, not completed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence

from llm_integrations.langchain.reading.chunks import Whole
from llm_integrations.langchain.reading.text import broken_off

__all__ = ["BrokenOff", "unbroken"]


class BrokenOff(OutputParserException):
    """An answer that broke off, whatever a parser would make of it."""


def unbroken(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A model and its parsers, which are not given what broke off: LangChain's complete it."""
    if not isinstance(model, RunnableSequence):
        return model
    first, *rest = model.steps
    return RunnableSequence(_Unbroken(first), *rest, name=model.name)


class _Unbroken(Runnable[Any, Any]):
    """A model, without a run of its own."""

    def __init__(self, runnable: Runnable[Any, Any]) -> None:
        self.runnable = runnable

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return _whole(self.runnable.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return _whole(await self.runnable.ainvoke(input, config, **kwargs))

    def transform(
        self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        whole = Whole()
        for chunk in self.runnable.transform(input, config, **kwargs):
            whole.add(chunk)
            yield chunk
        _whole(whole.value)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        whole = Whole()
        async for chunk in self.runnable.atransform(input, config, **kwargs):
            whole.add(chunk)
            yield chunk
        _whole(whole.value)


def _whole(said: Any) -> Any:
    words = broken_off(said) if isinstance(said, AIMessage) else ""
    if words:
        raise BrokenOff(words, llm_output=said.text)
    return said
