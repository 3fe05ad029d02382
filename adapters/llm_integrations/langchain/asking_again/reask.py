"""A model that is asked again, with what was wrong, until its answer satisfies a schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.exceptions import OutputParserException
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence
from langchain_core.runnables.config import ensure_config, var_child_runnable_config
from pydantic import ValidationError

from llm_integrations.core.binding import ASKED
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.reprs import never_raises
from llm_integrations.langchain.asking_again.answers import Asking, check_retries
from llm_integrations.langchain.asking_again.exchange import Exchange
from llm_integrations.langchain.asking_again.hearing import Parts, is_model
from llm_integrations.langchain.asking_again.on_invalid import OnInvalid, astand_in, stand_in
from llm_integrations.langchain.reading.chunks import Whole
from llm_integrations.langchain.traced import TracedJudge
from llm_integrations.langchain.walk import has_tools

if TYPE_CHECKING:
    from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
    from llm_integrations.core.validation import Validator
    from llm_integrations.langchain.walk import Role

__all__ = ["Reask", "reask"]

_UNREADABLE: Final = (OutputParserException, ValidationError)


def reask(
    model: Runnable[Any, Any],
    schema: str | SchemaRef,
    *,
    retries: int = 2,
    registry: Registry | str | None = None,
    mode: Mode = "enforce",
    on_invalid: OnInvalid = None,
    on_unavailable: OnUnavailable | None = None,
    options: ValidationOptions | None = None,
    langsmith: Any = None,
) -> Runnable[Any, Any]:
    """A model whose answer satisfies a schema: ``prompt | reask(model, "answer@1", retries=2)``.

    An invalid answer goes back to the model with what is wrong with it, values included. What
    comes out is what the model, or the parser behind it, gave. A valid answer costs little more
    than validating it. Each failure is counted as an invalid output, logged, and an event
    (``schema_reask``) of the trace; the calls after the first bear the tag ``reask:1`` and so on.

    Streams are held until the answer is valid; under warn they pass at once and are judged at their
    end, and nothing is asked again.

    Args:
        model: a chat model, one with structured output or tools, a model and its parser; or a
            chain, of which what stands after its last prompt is asked again.
        schema: of the answer, as ``answer@1``; ``latest`` follows the registry.
        retries: how often it is asked again, 0 to 20.
        registry: a Registry, a URL, or None for the environment's.
        mode: ``enforce`` raises after the last answer; ``warn`` passes it on; ``off`` does nothing.
        on_invalid: a value, or a function of the error, that is returned instead of raising.
        on_unavailable: "raise" or "pass" when there is no schema to judge by.
        options: how to judge; None takes the registry's.
        langsmith: a LangSmith client, which gets feedback on what ``warn`` let pass.

    Raises:
        SchemaValidationError: on ``invoke``, after the last answer; ``reports`` has those on all.
        ConfigurationError: an argument is wrong, or the input cannot be asked again about.
    """
    judge = TracedJudge(
        resolve_registry(registry), "langchain", "output", mode, on_unavailable, options, langsmith
    )
    before, asked = _at_prompt(model)
    again = Reask(asked, SchemaRef.parse(schema), judge, check_retries(retries), on_invalid)
    return RunnableSequence(*before, again) if before else again


class Reask(Runnable[Any, Any]):
    """What ``reask`` makes."""

    def __init__(
        self,
        model: Runnable[Any, Any],
        schema_ref: SchemaRef,
        judge: TracedJudge,
        retries: int,
        on_invalid: OnInvalid,
    ) -> None:
        if not isinstance(model, Runnable):
            raise ConfigurationError(f"reask takes a model or a chain, not {type(model).__name__}")
        self.runnable = model
        self.schema_ref = schema_ref
        self.judge = judge
        self._retries = retries
        self._on_invalid = on_invalid
        self._has_tools = has_tools(model)
        parts = Parts.of(model)
        self._asked = model if parts is None else parts
        self._tells = parts is not None
        self._has_parser = not (self._tells or is_model(model))
        self._name = str(schema_ref)

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        """The schema, for the catalogue and ``prepare``."""
        return [("", "output", str(self.schema_ref))]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        exchange = self._begin(self.judge.resolve(self.schema_ref), input, config, kwargs)
        while True:
            try:
                said = self._asked.invoke(exchange.input, exchange.config, **kwargs)
            except _UNREADABLE as error:
                said = error
            try:
                if exchange.is_over(said):
                    return said
            except SchemaValidationError as error:
                return stand_in(self._on_invalid, error)
            exchange.tell()

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        exchange = self._begin(await self.judge.aresolve(self.schema_ref), input, config, kwargs)
        while True:
            try:
                said = await self._asked.ainvoke(exchange.input, exchange.config, **kwargs)
            except _UNREADABLE as error:
                said = error
            try:
                if exchange.is_over(said):
                    return said
            except SchemaValidationError as error:
                return await astand_in(self._on_invalid, error)
            await exchange.atell()

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        enforces = self.judge.mode == "enforce"
        validator = self.judge.resolve(self.schema_ref)
        exchange = self._begin(validator, input, config, kwargs, passes=not enforces)
        while True:
            held: list[Any] = []
            whole = Whole()
            try:
                for chunk in self._asked.stream(exchange.input, exchange.config, **kwargs):
                    whole.add(chunk)
                    if enforces:
                        held.append(chunk)
                    else:
                        yield chunk
                said = whole.value
            except _UNREADABLE as error:
                said = error
            try:
                if exchange.is_over(said):
                    yield from held
                    return
            except SchemaValidationError as error:
                yield stand_in(self._on_invalid, error)
                return
            exchange.tell()

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        enforces = self.judge.mode == "enforce"
        validator = await self.judge.aresolve(self.schema_ref)
        exchange = self._begin(validator, input, config, kwargs, passes=not enforces)
        while True:
            held: list[Any] = []
            whole = Whole()
            try:
                async for chunk in self._asked.astream(exchange.input, exchange.config, **kwargs):
                    whole.add(chunk)
                    if enforces:
                        held.append(chunk)
                    else:
                        yield chunk
                said = whole.value
            except _UNREADABLE as error:
                said = error
            try:
                if exchange.is_over(said):
                    for chunk in held:
                        yield chunk
                    return
            except SchemaValidationError as error:
                yield await astand_in(self._on_invalid, error)
                return
            await exchange.atell()

    def _begin(
        self,
        validator: Validator | None,
        input: Any,
        config: RunnableConfig | None,
        kwargs: dict[str, Any],
        *,
        passes: bool = False,
    ) -> Exchange:
        """An exchange; ``passes`` says that answers go on at once, so that none is asked again.

        Args:
            kwargs: of each call; the exchange joins them where it is told what the model said.
        """
        if validator is not None:
            config = self._marked(config)
        asking = Asking(self.judge, 0 if passes else self._retries, config)
        exchange = Exchange(
            asking,
            validator,
            input,
            config,
            has_tools=self._has_tools,
            hears=self._has_parser and validator is not None,
        )
        if self._tells:
            kwargs["heard"] = exchange.heard
        return exchange

    def _marked(self, config: RunnableConfig | None) -> RunnableConfig | None:
        """A config that tells handlers that the answer is judged here; None if there are none."""
        if config is None and var_child_runnable_config.get() is None:
            return None
        whole = config if config is not None and "metadata" in config else ensure_config(config)
        metadata = {**(whole.get("metadata") or {}), ASKED: self._name}
        return cast("RunnableConfig", {**whole, "metadata": metadata})

    @never_raises
    def __repr__(self) -> str:
        return f"reask({self.runnable!r}, {str(self.schema_ref)!r}, retries={self._retries})"


def _at_prompt(model: Any) -> tuple[list[Any], Any]:
    """The steps of a chain as far as its last prompt, and what answers to that."""
    steps = model.steps if isinstance(model, RunnableSequence) else [model]
    prompts = (n for n, step in enumerate(steps[:-1], 1) if isinstance(step, BasePromptTemplate))
    start = max(prompts, default=0)
    if not start:
        return [], model
    rest = steps[start:]
    return steps[:start], rest[0] if len(rest) == 1 else RunnableSequence(*rest)
