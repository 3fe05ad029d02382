"""A Runnable that lets valid data through unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.runnables import Runnable, RunnableConfig

from llm_integrations.core.contract import Contract, contract_of
from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.registry import Registry
from llm_integrations.core.reprs import never_raises
from llm_integrations.langchain.asking_again.on_invalid import OnInvalid, astand_in, stand_in
from llm_integrations.langchain.reading.chunks import Whole
from llm_integrations.langchain.reading.payload import judge_piece, payloads
from llm_integrations.langchain.traced import TracedJudge

if TYPE_CHECKING:
    from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
    from llm_integrations.core.validation import Validator
    from llm_integrations.langchain.walk import Role

__all__ = ["SchemaValidator"]


class SchemaValidator(Runnable[Any, Any]):
    """Validates what flows through a chain and passes it on unchanged.

    Put it before a prompt (``side="input"``) or after a model or parser (``side="output"``).
    It takes dicts, pydantic objects, messages (JSON content or tool calls) and plain values.
    It has no run of its own, so traces show the chain as before.

    Args:
        schema: as ``user-profile@2.0.0``; ``latest`` follows the registry. Or a class (see
            ``core.models``), a pydantic model among others, and no registry.
        registry: a Registry, a URL, or None for the environment's.
        mode: ``enforce`` raises, ``warn`` logs and counts, ``off`` does nothing.
        side: the metric label, "input" or "output".
        on_invalid: under enforce, a value, or a function of the error, that is passed on instead.
        on_unavailable: "raise" or "pass" when there is no schema to judge by; None means raise
            under enforce and pass under warn.
        options: how to judge; None takes the registry's.
        langsmith: a LangSmith client, which gets feedback on what ``warn`` let pass.

    Raises:
        SchemaValidationError: on ``invoke`` under enforce, carrying the report.
    """

    def __init__(
        self,
        schema: Contract,
        registry: Registry | str | None = None,
        *,
        mode: Mode = "enforce",
        side: Literal["input", "output"] = "input",
        on_invalid: OnInvalid = None,
        on_unavailable: OnUnavailable | None = None,
        options: ValidationOptions | None = None,
        langsmith: Any = None,
    ) -> None:
        self.schema_ref, client = contract_of(schema, registry)
        self._on_invalid = on_invalid
        self.judge = TracedJudge(
            client, "langchain", side, mode, on_unavailable, options, langsmith
        )

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        try:
            self._act(self.judge.resolve(self.schema_ref), input, config)
        except SchemaValidationError as error:
            return stand_in(self._on_invalid, error)
        return input

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        try:
            self._act(await self.judge.aresolve(self.schema_ref), input, config)
        except SchemaValidationError as error:
            return await astand_in(self._on_invalid, error)
        return input

    def _act(self, validator: Validator | None, value: Any, config: RunnableConfig | None) -> None:
        if validator is None:
            return
        for piece in payloads(value, is_answer=self.judge.side == "output"):
            self.judge.act(judge_piece(self.judge, validator, piece), config=config)

    def transform(
        self,
        input: Iterator[Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Under enforce nothing leaves before it is judged, then all of it as it came; otherwise
        chunks pass at once."""
        whole = Whole()
        held: list[Any] = []
        for chunk in input:
            whole.add(chunk)
            if self.judge.mode == "enforce":
                held.append(chunk)
            else:
                yield chunk
        said = whole.value
        passed = self.invoke(said, config)  # of an empty stream as well: that is no answer
        yield from held if passed is said else [passed]

    async def atransform(
        self,
        input: AsyncIterator[Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        whole = Whole()
        held: list[Any] = []
        async for chunk in input:
            whole.add(chunk)
            if self.judge.mode == "enforce":
                held.append(chunk)
            else:
                yield chunk
        said = whole.value
        passed = await self.ainvoke(said, config)  # of an empty stream as well: that is no answer
        for chunk in held if passed is said else [passed]:
            yield chunk

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        """The schema, for the catalogue and ``prepare``."""
        side: Role = "output" if self.judge.side == "output" else "input"
        return [("", side, str(self.schema_ref))]

    @never_raises
    def __repr__(self) -> str:
        return f"SchemaValidator({str(self.schema_ref)!r}, mode={self.judge.mode!r})"
