"""What a model said, before the parser behind it: parsers complete what broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Self

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseLLMOutputParser
from langchain_core.outputs import LLMResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import ensure_config

from llm_integrations.langchain.reading.chunks import Whole
from llm_integrations.langchain.reading.payload import message_of

__all__ = ["Heard", "Parts", "is_model", "with_handler"]


class Heard(BaseCallbackHandler):
    """What a model said, noted by whoever runs it, or as a handler, however it is wrapped.

    Attributes:
        message: the last answer; of a text model with what its provider says of its end.
    """

    run_inline = True
    message: AIMessage | None = None

    def note(self, said: Any) -> Any:
        """Keep it if it is a message, and pass it on."""
        self.message = said if isinstance(said, AIMessage) else None
        return said

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """Nothing. Without it LangChain would write the prompt out."""

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        said = next((one for several in response.generations for one in several), None)
        self.note(None if said is None else message_of(said))


def with_handler(config: RunnableConfig | None, handler: BaseCallbackHandler) -> RunnableConfig:
    whole = ensure_config(config)
    callbacks = whole.get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        callbacks = [*(callbacks or ()), handler]
    else:
        callbacks = callbacks.copy()
        callbacks.add_handler(handler)
    return {**whole, "callbacks": callbacks}


class Parts(Runnable[Any, Any]):
    """A chat model and its parsers, of which the model is heard without a handler.

    Each method takes the one who hears as ``heard=``. Within a run they need none of their own.
    """

    def __init__(self, model: Runnable[Any, Any], rest: Sequence[Runnable[Any, Any]]) -> None:
        self._model = _Listening(model)
        self._rest = rest
        self._whole: Runnable[Any, Any] = RunnableSequence(self._model, *rest)

    @classmethod
    def of(cls, chain: Runnable[Any, Any]) -> Self | None:
        """The parts of a sequence without a name; None for another chain."""
        if type(chain) is not RunnableSequence or chain.name is not None:
            return None
        model, *rest = chain.steps
        are_parsers = all(isinstance(part, BaseLLMOutputParser) for part in rest)
        return cls(model, rest) if are_parsers and is_model(model, BaseChatModel) else None

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if not _is_within_run(config):
            return self._whole.invoke(input, config, **kwargs)
        said = self._model.invoke(input, config, **kwargs)
        for part in self._rest:
            said = part.invoke(said, config)
        return said

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if not _is_within_run(config):
            return await self._whole.ainvoke(input, config, **kwargs)
        said = await self._model.ainvoke(input, config, **kwargs)
        for part in self._rest:
            said = await part.ainvoke(said, config)
        return said

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        return self._whole.stream(input, config, **kwargs)

    def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        return self._whole.astream(input, config, **kwargs)


class _Listening(Runnable[Any, Any]):
    """A model that tells ``heard=`` what it said, without a run of its own."""

    def __init__(self, model: Runnable[Any, Any]) -> None:
        self._model = model

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        heard: Heard = kwargs.pop("heard")
        return heard.note(self._model.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        heard: Heard = kwargs.pop("heard")
        return heard.note(await self._model.ainvoke(input, config, **kwargs))

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        heard, whole = kwargs.pop("heard"), Whole()
        for chunk in self._model.stream(input, config, **kwargs):
            whole.add(chunk)
            yield chunk
        heard.note(whole.value)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        heard, whole = kwargs.pop("heard"), Whole()
        async for chunk in self._model.astream(input, config, **kwargs):
            whole.add(chunk)
            yield chunk
        heard.note(whole.value)


def is_model(chain: Any, kind: type[Any] = BaseLanguageModel) -> bool:
    """Whether it gives what a model of a kind said, and no parser stands between."""
    while isinstance(chain, RunnableBindingBase):
        chain = chain.bound
    return isinstance(chain, kind)


def _is_within_run(config: RunnableConfig | None) -> bool:
    """Whether a run is around it, and none is asked for that would have a name or an id."""
    if not config or config.get("run_name") or config.get("run_id"):
        return False
    return getattr(config.get("callbacks"), "parent_run_id", None) is not None
