"""A model that is asked for what the registry's schema says, and judged by all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_core.runnables import Runnable, RunnableConfig

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.judge import Judge
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.langchain.asking_again.answers import check_retries
from llm_integrations.langchain.asking_again.bundle import VALUE, Request, request_for
from llm_integrations.langchain.asking_again.on_invalid import OnInvalid
from llm_integrations.langchain.asking_again.reask import Reask
from llm_integrations.langchain.asking_again.strict import (
    Provider,
    Subset,
    subset_for,
    without_added_nulls,
)

if TYPE_CHECKING:
    from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
    from llm_integrations.core.validation import Validator
    from llm_integrations.langchain.walk import Role

__all__ = ["Structured", "structured"]

log = get_logger(__name__)

_PACKAGES: Final[tuple[tuple[str, Provider], ...]] = (
    ("langchain_openai", "openai"),
    ("langchain_anthropic", "anthropic"),
    ("langchain_google", "google"),
)
_VERSIONS: Final = 8


def structured(
    model: Any,
    schema: str | SchemaRef,
    *,
    method: Literal["json_schema", "function_calling", "json_mode"] | None = None,
    strict: bool | None = None,
    include_raw: bool = False,
    retries: int = 0,
    registry: Registry | str | None = None,
    mode: Mode = "enforce",
    on_invalid: OnInvalid = None,
    on_unavailable: OnUnavailable | None = None,
    options: ValidationOptions | None = None,
) -> Structured:
    """``model.with_structured_output`` by the registry's schema: ``structured(model, "answer@1")``.

    The schema is looked up for each call, so that a new version of ``latest`` is asked for from the
    next call on; schemas that it refers to are sent with it, and one that is no object is asked for
    in the property ``value`` of one. The answer, a dict or what the schema describes, is judged by
    the whole schema, whatever of it the model was told.

    Args:
        model: a chat model that has ``with_structured_output``.
        schema: as ``answer@1``; ``latest`` follows the registry.
        method: as LangChain's; None takes the model's own.
        strict: as LangChain's. True rewrites the schema for the subset of the model's provider
            (OpenAI's where the provider is not known): objects closed, for OpenAI all properties
            required and optional ones null, which are left out of the answer again. What the subset
            cannot say is in ``widened`` and in the log, and the model reads it in descriptions.
            Gemini's subset is always applied.
        include_raw: whether the result is a dict of ``raw``, ``parsed`` and ``parsing_error``.
        retries: how often an invalid answer is asked for again, as ``reask``.
        registry, mode, on_invalid, on_unavailable, options: as ``reask``.

    Raises:
        SchemaValidationError: on ``invoke``, the answer is invalid, under enforce.
        RegistryError: on ``invoke``, there is no schema to ask for.
        ConfigurationError: the model has no structured output, or strict cannot say the schema.
    """
    if not hasattr(model, "with_structured_output"):
        raise ConfigurationError(
            f"structured() takes a chat model with with_structured_output, not "
            f"{type(model).__name__}"
        )
    judge = Judge(resolve_registry(registry), "langchain", "output", mode, on_unavailable, options)
    asking = {"method": method, "strict": strict, "include_raw": include_raw or None}
    return Structured(
        model,
        SchemaRef.parse(schema),
        judge,
        {key: value for key, value in asking.items() if value is not None},
        check_retries(retries),
        on_invalid,
    )


class Structured(Runnable[Any, Any]):
    """What ``structured`` makes."""

    def __init__(
        self,
        model: Any,
        schema_ref: SchemaRef,
        judge: Judge,
        asking: dict[str, Any],
        retries: int,
        on_invalid: OnInvalid,
    ) -> None:
        self.runnable = model
        self.schema_ref = schema_ref
        self.judge = judge
        self._asking = asking
        self._retries = retries
        self._on_invalid = on_invalid
        self._made: dict[str, tuple[Reask, list[str]]] = {}

    @property
    def widened(self) -> list[str]:
        """What of the schema in force the model is not held to, as ``minLength at /name``."""
        return list(self._for(self._validator())[1])

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        """The schema, for the catalogue and ``prepare``."""
        return [("", "output", str(self.schema_ref))]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._for(self._validator())[0].invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return await self._for(await self._avalidator())[0].ainvoke(input, config, **kwargs)

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        yield from self._for(self._validator())[0].stream(input, config, **kwargs)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        asked = self._for(await self._avalidator())[0]
        async for chunk in asked.astream(input, config, **kwargs):
            yield chunk

    def _validator(self) -> Validator:
        # Whatever the mode: without a schema there is nothing to ask for.
        return self.judge.registry.validator(self.schema_ref, options=self.judge.options)

    async def _avalidator(self) -> Validator:
        return await self.judge.registry.aio.validator(self.schema_ref, options=self.judge.options)

    def _for(self, validator: Validator) -> tuple[Reask, list[str]]:
        """The model that asks for one version of the schema."""
        made = self._made.get(validator.fingerprint)
        if made is None:
            made = self._ask_for(validator)
            if len(self._made) >= _VERSIONS:
                self._made.clear()
            self._made[validator.fingerprint] = made
        return made

    def _ask_for(self, validator: Validator) -> tuple[Reask, list[str]]:
        request = request_for(validator)
        subset = self._subset(request.schema)
        if subset.widened:
            log.warning(
                "%s is asked for without %s; answers are judged by all of it",
                validator.reference,
                ", ".join(subset.widened),
                extra={"llmi_schema": validator.reference},
            )
        try:
            model = self.runnable.with_structured_output(subset.schema, **self._asking)
        except NotImplementedError as error:
            raise ConfigurationError(f"the model has no structured output: {error}") from None
        answering = _Answering(model, request, subset, bool(self._asking.get("include_raw")))
        again = Reask(answering, self.schema_ref, self.judge, self._retries, self._on_invalid)
        return again, subset.widened

    def _subset(self, schema: dict[str, Any]) -> Subset:
        provider = _provider(self.runnable)
        if self._asking.get("strict") or provider == "google":
            return subset_for(schema, provider or "openai")
        return Subset(schema)

    def __repr__(self) -> str:
        return f"structured({type(self.runnable).__name__}, {str(self.schema_ref)!r})"


@dataclass
class _Answering(Runnable[Any, Any]):
    """A model's answers as the schema itself would have them, without a run of its own."""

    runnable: Runnable[Any, Any]
    request: Request
    subset: Subset
    has_raw: bool

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._answer(self.runnable.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._answer(await self.runnable.ainvoke(input, config, **kwargs))

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        yield from map(self._answer, self.runnable.stream(input, config, **kwargs))

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        async for chunk in self.runnable.astream(input, config, **kwargs):
            yield self._answer(chunk)

    def _answer(self, said: Any) -> Any:
        if not self.has_raw or not isinstance(said, dict):
            return self._parsed(said)
        if "parsed" in said:
            return type(said)({**said, "parsed": self._parsed(said["parsed"])})
        return said

    def _parsed(self, said: Any) -> Any:
        found = without_added_nulls(said, self.subset)
        return found.get(VALUE) if self.request.is_wrapped and isinstance(found, dict) else found


def _provider(model: Any) -> Provider | None:
    while hasattr(type(model), "model_fields") and "bound" in type(model).model_fields:
        model = model.bound
    for kind in type(model).__mro__:
        for package, provider in _PACKAGES:
            if kind.__module__.startswith(package):
                return provider
    return None
