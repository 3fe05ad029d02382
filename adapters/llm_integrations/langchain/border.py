"""The borders of a graph's nodes: what goes in and what comes out, held to schemas."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence

from llm_integrations.core.errors import (
    ConfigurationError,
    LLMIntegrationsError,
    RegistryUnavailable,
    SchemaValidationError,
)
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.langchain.asking_again.on_invalid import OnInvalid, astand_in, stand_in
from llm_integrations.langchain.reading.payload import judge_piece
from llm_integrations.langchain.reading.state import changes, graph_kind
from llm_integrations.langchain.traced import TracedJudge

if TYPE_CHECKING:
    from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
    from llm_integrations.core.validation import Validator
    from llm_integrations.langchain.walk import Role

__all__ = ["validated", "worth_retrying"]

N = TypeVar("N")


def worth_retrying(error: Exception) -> bool:
    """``RetryPolicy(retry_on=worth_retrying)``: LangGraph's default, without what is invalid.

    Neither invalid data nor a schema that is not there nor a configuration is mended by trying
    again; a registry that cannot be reached may be.
    """
    if isinstance(error, LLMIntegrationsError):
        return isinstance(error, RegistryUnavailable) and error.retryable
    from langgraph.types import RetryPolicy

    default = RetryPolicy().retry_on
    return bool(default(error)) if callable(default) else True


def validated(
    node: N,
    *,
    input: str | SchemaRef | None = None,
    output: str | SchemaRef | None = None,
    registry: Registry | str | None = None,
    mode: Mode = "enforce",
    on_invalid: OnInvalid = None,
    on_unavailable: OnUnavailable | None = None,
    options: ValidationOptions | None = None,
    langsmith: Any = None,
) -> N:
    """A node of a graph that takes and gives back what its schemas say.

    ``builder.add_node("greet", validated(greet, input="name@1", output="greeting@1"))``; of a task
    or an entrypoint the function: ``@task`` over ``validated(…)``.

    The input is the state that the node is given, or what a Send sends it. The output is the change
    that it gives back, in a Command its ``update``: valid if it is so by itself, or together with
    the state that it changes (a reducer's list counts as the change alone). None changes nothing.
    Interrupts pass; a node that runs again on resume is judged again, with its state from the
    checkpoint.

    Args:
        node: a function, sync or async, with whatever LangGraph fills in; or a Runnable, as another
            graph, whose output is judged by itself.
        input, output: schemas; one of them at least.
        registry: a Registry, a URL, or None for the environment's.
        mode: ``enforce`` raises, ``warn`` logs and counts, ``off`` does nothing.
        on_invalid: a value, or a function of the error, that the node gives back instead.
        on_unavailable: "raise" or "pass" when there is no schema to judge by.
        options: how to judge; None takes the registry's.
        langsmith: a LangSmith client, which gets feedback on what ``warn`` let pass.

    Raises:
        ConfigurationError: there is nothing to judge, or it is no node.
    """
    if input is None and output is None:
        raise ConfigurationError("validated() needs input= or output=, or it guards nothing")
    client = resolve_registry(registry)

    def side(name: Role, schema: str | SchemaRef | None) -> _Side:
        judge = TracedJudge(client, "langchain", name, mode, on_unavailable, options, langsmith)
        return _Side(name, judge, None if schema is None else SchemaRef.parse(schema))

    border = _Border(side("input", input), side("output", output), on_invalid)
    if isinstance(node, Runnable):
        return border.around_runnable(node)  # type: ignore[return-value] # a Runnable as well
    if graph_kind(node) == "_TaskFunction":
        raise ConfigurationError("a task gives a future: put @task over validated(function)")
    if not callable(node) or isinstance(node, type):
        raise ConfigurationError(f"a node is a function or a Runnable, not {type(node).__name__}")
    return border.around_function(node)  # type: ignore[return-value] # a function as well


class _Side:
    """One side of a border. Without a reference nothing is judged there."""

    def __init__(self, role: Role, judge: TracedJudge, reference: SchemaRef | None) -> None:
        self.role: Role = role
        self.reference = reference
        self._judge = judge

    def check(self, value: Any, state: Any = None) -> None:
        if self.reference is not None:
            self._act(self._judge.resolve(self.reference), value, state)

    async def acheck(self, value: Any, state: Any = None) -> None:
        if self.reference is not None:
            self._act(await self._judge.aresolve(self.reference), value, state)

    def _act(self, validator: Validator | None, value: Any, state: Any) -> None:
        if validator is not None:
            for piece in changes(value, state, validator):
                self._judge.act(judge_piece(self._judge, validator, piece))


class _Border:
    """Judges on the way in and on the way out. ``schema_uses`` for the catalogue."""

    def __init__(self, input: _Side, output: _Side, on_invalid: OnInvalid) -> None:
        self._input = input
        self._output = output
        self._on_invalid = on_invalid

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        sides = [side for side in (self._input, self._output) if side.reference is not None]
        return [("", side.role, str(side.reference)) for side in sides]

    def around_function(self, node: Callable[..., Any]) -> Callable[..., Any]:
        call = node if inspect.isroutine(node) or isinstance(node, partial) else type(node).__call__
        if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
            raise ConfigurationError("a generator gives no one output that could be judged")

        async def ajudged(state: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                await self._input.acheck(state)
            except SchemaValidationError as error:
                return await astand_in(self._on_invalid, error)
            change = await node(state, *args, **kwargs)
            try:
                await self._output.acheck(change, state)
            except SchemaValidationError as error:
                return await astand_in(self._on_invalid, error)
            return change

        def judged(state: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                self._input.check(state)
            except SchemaValidationError as error:
                return stand_in(self._on_invalid, error)
            change = node(state, *args, **kwargs)
            try:
                self._output.check(change, state)
            except SchemaValidationError as error:
                return stand_in(self._on_invalid, error)
            return change

        made: Any = wraps(node)(ajudged if inspect.iscoroutinefunction(call) else judged)
        if not hasattr(node, "__name__"):
            made.__name__ = type(node).__name__
        whole: Callable[..., Any] = made
        return whole

    def around_runnable(self, node: Runnable[Any, Any]) -> Runnable[Any, Any]:
        if self._on_invalid is not None:
            raise ConfigurationError(
                "on_invalid stands for what a function gives back; put the graph into a function"
            )
        gates = (_Gate(self, self._input), node, _Gate(self, self._output))
        return RunnableSequence(*gates, name=node.get_name())


class _Gate(Runnable[Any, Any]):
    """One side of a Runnable's border, without a run of its own."""

    def __init__(self, border: _Border, side: _Side) -> None:
        self._side = side
        self.schema_uses = border.schema_uses

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        self._side.check(input)
        return input

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        await self._side.acheck(input)
        return input
