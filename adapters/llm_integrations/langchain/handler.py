"""A callback handler that really stops invalid data in existing chains."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.outputs import LLMResult

from llm_integrations.core.binding import ASKED, BOUND, DOCUMENT, INPUT, OUTPUT, PARTIALS, TOOL
from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
from llm_integrations.core.judge import Side
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.stamp import without_stamp
from llm_integrations.langchain.inline import forget_answer, steady_answer
from llm_integrations.langchain.reading.payload import (
    answers,
    calls_tools,
    judge_piece,
    prompt_input,
    unseen_answer,
)
from llm_integrations.langchain.reading.state import changes, graph_kind, resumes, state_of
from llm_integrations.langchain.resolve import Resolver
from llm_integrations.langchain.runs import ENDED, NOTHING, Asked, Run, Runs, decides, stands_beside
from llm_integrations.langchain.traced import TracedJudge
from llm_integrations.langchain.walk import references_in

__all__ = ["SchemaCallbackHandler"]

log = get_logger(__name__)


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
        langsmith: a LangSmith client, which gets feedback on what ``warn`` let pass.
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
        langsmith: Any = None,
    ) -> None:
        self.registry = resolve_registry(registry)
        sides: dict[Side, Mode] = {
            "input": mode,
            "output": output_mode or mode,
            "tool": mode,
            "document": mode,
        }
        self._judges = {
            side: TracedJudge(
                self.registry, "langchain", side, side_mode, on_unavailable, options, langsmith
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
        tags: list[str] | None = None,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        run_type: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        # The inputs are read from the prompt's own run: in a stream the root run has none.
        if run_type == "prompt":
            around = self._runs.around(parent_run_id)
            self._prompt(inputs, around, tags, metadata or {}, run_id)
            return
        run = self._runs.open(run_id, parent_run_id, tags, name, metadata)
        if run.thread is not None:
            follow = self._runs.resume if resumes(inputs) else self._runs.restart
            follow(run)
        if run.named is not None:
            self._at_border(run, inputs, run_id)
        if run.answers is not None and run.is_node:
            run.state = inputs

    def _prompt(
        self, inputs: Any, run: Run | None, tags: Any, named: Mapping[str, Any], run_id: UUID
    ) -> None:
        if run is not None:
            expected = named.get(OUTPUT, ENDED)
            run.expect(expected, beside=stands_beside(tags))
            if expected:
                run.family.has_others = False
        reference = named.get(INPUT) or self._default[INPUT]
        if not reference:
            return
        if run is not None and BOUND not in named and run.was_held_to(reference):
            return
        self._check(
            "input",
            reference,
            lambda validator: [prompt_input(inputs, named.get(PARTIALS), validator)],
            run_id,
        )

    def _at_border(self, run: Run, inputs: Any, run_id: UUID) -> None:
        """Judge what goes into a graph, or a node of it, whose metadata names a schema.

        A run turns out to be a graph when its first node starts. What is no graph leaves it to its
        prompts.
        """
        reference = str(run.named)
        if not run.was_held_to(reference):
            run.inputs = inputs
        if not run.is_node:
            return
        graph = run.parent
        inherits = graph is not None and graph.named == reference
        border = graph if graph is not None and inherits else run
        inputs, border.inputs = border.inputs, NOTHING
        if inputs is not NOTHING:
            border.held_to = reference
            self._check("input", reference, lambda _: state_of(inputs), run_id)

    def on_chain_end(
        self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        if parent_run_id is None:
            forget_answer(self)
        run = self._runs.close(run_id)
        if run is None:  # a prompt, or a run that began before this handler was there
            around = self._runs.get(parent_run_id)
        else:
            around, left = run.parent, run.over() or run.kept
            answers = None if run.is_answered or run.is_paused else run.answers
            self._runs.stop(run, left)
            gives = run.is_node or (run.is_graph and graph_kind(outputs) != "Command")
            if answers and gives:
                self._check("output", answers, lambda v: changes(outputs, run.state, v), run_id)
            elif parent_run_id is None and (left or answers):
                self._at_end(run, left or answers, outputs, run_id)
        if around is not None and around.expects != ENDED:
            around.gave(outputs)

    def _at_end(self, run: Run, reference: Any, outputs: Any, run_id: UUID) -> None:
        """Judge the answer of a model that nobody saw: out of a cache, or by a client of its own.

        In a graph it may still come, after an interrupt, and is judged if this process resumes it;
        or others were seen, and it is not known which answer it is: then it is said.
        """
        if not (run.is_graph or run.family.has_others):
            given = (*run.given, outputs)
            self._check("output", reference, lambda v: unseen_answer(given, v), run_id)
        elif not run.called_tools:
            judge = self._judges["output"]
            validator = self._resolver.validator(judge, reference)
            if validator is not None:
                judge.skip(validator)
                log.warning("langchain output passed unjudged by %s: no model gave it", reference)

    def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        kind = graph_kind(error)
        if kind == "ParentCommand":  # what a node gives to the graph around its own
            self.on_chain_end(error.args[0], run_id=run_id, parent_run_id=parent_run_id)
            return
        if parent_run_id is None:
            forget_answer(self)
        run = self._runs.close(run_id)
        if run is None:
            return
        if kind in ("GraphInterrupt", "NodeInterrupt"):
            run.pause()
        self._runs.stop(run, run.expects or run.kept)

    # -- models ----------

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        run = self._runs.around(parent_run_id)
        expected = None
        if run is not None:
            run.family.has_others = True
            expected = None if decides(tags) else run.expected()
        reference = (metadata or {}).get(OUTPUT) or expected or self._default[OUTPUT]
        if reference:
            options = kwargs.get("options") or {}
            asked = Asked(
                reference,
                run,
                beside=stands_beside(tags),
                is_expected=expected is not None,
                is_structured="ls_structured_output_format" in options,
                by_asker=(metadata or {}).get(ASKED),
            )
            self._runs.ask(run_id, asked)

    on_chat_model_start = on_llm_start  # type: ignore[assignment] # the 2nd argument has another name

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        asked = self._runs.asked(run_id)
        if asked is None:
            return
        if not asked.is_structured and calls_tools(response):
            asked.called_tools()
            return
        if not self._is_judged(asked):
            self._check("output", asked.reference, lambda _: answers(response), run_id)
        asked.answered()

    def _is_judged(self, asked: Asked) -> bool:
        """Whether who asked judges by the same schema, however its reference is spelt."""
        if asked.by_asker is None or asked.by_asker == asked.reference:
            return asked.by_asker is not None
        judge = self._judges["output"]
        named = {asked.reference, asked.by_asker}
        found = [self._resolver.validator(judge, reference) for reference in named]
        return len({one and one.fingerprint for one in found}) == 1

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._runs.asked(run_id)

    # -- tools and retrievers ----------

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._runs.open_apart(run_id, parent_run_id)
        reference = (metadata or {}).get(TOOL)
        if reference:
            value = input_str if inputs is None else inputs
            self._check("tool", reference, lambda _: [value], run_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._runs.close(run_id)

    on_tool_error = on_tool_end  # type: ignore[assignment] # the 1st argument has another name

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        run = self._runs.open_apart(run_id, parent_run_id)
        reference = (metadata or {}).get(DOCUMENT)
        if reference:
            self._runs.ask(run_id, Asked(reference, run))

    def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self._runs.close(run_id)
        asked = self._runs.asked(run_id)
        if asked is not None:
            pieces = [without_stamp(document.metadata) for document in documents]
            self._check("document", asked.reference, lambda _: pieces, run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._runs.close(run_id)
        self._runs.asked(run_id)

    # -- shared ----------

    def _check(self, side: Side, reference: str, pieces: Any, run_id: UUID) -> None:
        judge = self._judges[side]
        validator = self._resolver.validator(judge, reference)
        if validator is not None:
            for piece in pieces(validator):
                judge.act(judge_piece(judge, validator, piece), run_id=run_id)

    def __deepcopy__(self, memo: dict[int, Any]) -> SchemaCallbackHandler:
        """The same handler: copies of a chain share its registry and the runs under way."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_runs": Runs()}


def _text(reference: str | SchemaRef | None) -> str | None:
    return None if reference is None else str(SchemaRef.parse(reference))
