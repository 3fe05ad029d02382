"""A callback handler that really stops invalid data in existing chains."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.outputs import LLMResult

from llm_integrations.core.binding import DOCUMENT, INPUT, OUTPUT, PARTIALS, TOOL
from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
from llm_integrations.core.judge import Judge, Side
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.stamp import without_stamp
from llm_integrations.langchain.inline import forget_answer, steady_answer
from llm_integrations.langchain.payload import answers, prompt_input
from llm_integrations.langchain.resolve import Resolver
from llm_integrations.langchain.runs import Runs
from llm_integrations.langchain.walk import references_in

__all__ = ["SchemaCallbackHandler"]


class SchemaCallbackHandler(BaseCallbackHandler):
    """Holds existing chains to the schemas that their metadata names.

    The keys are in ``llm_integrations.core.binding``: ``schema`` for prompt inputs,
    ``schema_output`` for model output, ``schema_tool`` for tool arguments, ``schema_document`` for
    the metadata of retrieved documents. They may stand on the prompt (``bind_schema``), the model,
    the tool, the retriever or the whole chain; the arguments here apply where none stands.

    Under enforce an invalid prompt input, tool argument, document or answer raises
    SchemaValidationError out of the chain, in sync, async and streaming; a streamed answer has
    been seen by then. Put it last among the handlers: what it raises hides the event from those
    after it. ``with_retry`` and ``with_fallbacks`` should not handle SchemaValidationError.

    It runs inline, on the event loop, once every schema it has met is in the cache; before that
    LangChain runs it in a thread. ``await handler.prepare(chain)`` fetches them ahead.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        mode: for inputs; ``output_mode`` for model output, None meaning the same.
        schema: for prompts whose metadata names none; ``output`` likewise for models.
        on_unavailable: "raise" or "pass" when there is no schema to judge by.
        options: how to judge; None takes the registry's.
    """

    raise_error = True

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        mode: Mode = "enforce",
        output_mode: Mode | None = None,
        schema: str | SchemaRef | None = None,
        output: str | SchemaRef | None = None,
        on_unavailable: OnUnavailable | None = None,
        options: ValidationOptions | None = None,
    ) -> None:
        self.registry = resolve_registry(registry)
        sides: dict[Side, Mode] = {
            "input": mode,
            "output": output_mode or mode,
            "tool": mode,
            "document": mode,
        }
        self._judges = {
            side: Judge(
                self.registry,
                module="langchain",
                side=side,
                mode=side_mode,
                on_unavailable=on_unavailable,
                options=options,
            )
            for side, side_mode in sides.items()
        }
        self._default = {INPUT: _text(schema), OUTPUT: _text(output)}
        self._resolver = Resolver(self.registry, options)
        self._runs = Runs()

    @property
    def run_inline(self) -> bool:  # type: ignore[override] # an attribute there
        """Whether every schema met so far is cached, so that judging needs no I/O."""
        return steady_answer(self, lambda: self._resolver.is_warm)

    async def prepare(self, chain: Any) -> list[str]:
        """Fetch every schema that a chain names; returns their references."""
        named = {*references_in(chain), *(ref for ref in self._default.values() if ref)}
        await asyncio.gather(*(self._resolver.fetch(reference) for reference in named))
        return sorted(named)

    # -- prompts ----------

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        run_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        # The inputs are read from the prompt's own run: in a stream the root run has none.
        if run_type != "prompt":
            return
        named = metadata or {}
        if parent_run_id is not None and OUTPUT in named:
            self._runs.expect_output(parent_run_id, named[OUTPUT])
        reference = named.get(INPUT) or self._default[INPUT]
        if reference:
            self._check(
                "input",
                reference,
                lambda validator: [prompt_input(inputs, named.get(PARTIALS), validator)],
            )

    def on_chain_end(
        self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        self._over(run_id, parent_run_id)

    def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        self._over(run_id, parent_run_id)

    # -- models ----------

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        expected = self._runs.expected_output(parent_run_id)
        reference = (metadata or {}).get(OUTPUT) or expected or self._default[OUTPUT]
        if reference:
            self._runs.start(run_id, reference)

    on_chat_model_start = on_llm_start  # type: ignore[assignment] # the 2nd argument has another name

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        reference = self._runs.end(run_id)
        if reference:
            self._check("output", reference, lambda _: answers(response))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._runs.end(run_id)

    # -- tools and retrievers ----------

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        reference = (metadata or {}).get(TOOL)
        if reference:
            value = input_str if inputs is None else inputs
            self._check("tool", reference, lambda _: [value])

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        reference = (metadata or {}).get(DOCUMENT)
        if reference:
            self._runs.start(run_id, reference)

    def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any
    ) -> None:
        reference = self._runs.end(run_id)
        if reference:
            self._check(
                "document", reference, lambda _: [without_stamp(d.metadata) for d in documents]
            )

    on_retriever_error = on_llm_error

    # -- shared ----------

    def _over(self, run_id: UUID, parent: UUID | None) -> None:
        self._runs.forget(run_id)
        if parent is None:
            forget_answer(self)

    def _check(self, side: Side, reference: str, pieces: Any) -> None:
        judge = self._judges[side]
        validator = self._resolver.validator(judge, reference)
        if validator is not None:
            for piece in pieces(validator):
                judge.act(judge.judge_by(validator, piece))

    def __deepcopy__(self, memo: dict[int, Any]) -> SchemaCallbackHandler:
        """The same handler: copies of a chain share its registry and the runs under way."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_runs": Runs()}


def _text(reference: str | SchemaRef | None) -> str | None:
    return None if reference is None else str(SchemaRef.parse(reference))
