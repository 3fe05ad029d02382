"""A model that is asked for what the registry's schema says, and judged by all of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_core.messages import SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import BaseModel, ValidationError

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.models import model_of
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import RegisteredSchema, Registry, SchemaRef, resolve_registry
from llm_integrations.core.reprs import never_raises
from llm_integrations.langchain.asking_again.answers import check_retries
from llm_integrations.langchain.asking_again.bundle import VALUE, Request, request_for
from llm_integrations.langchain.asking_again.exchange import messages_of
from llm_integrations.langchain.asking_again.on_invalid import OnInvalid
from llm_integrations.langchain.asking_again.reask import Reask
from llm_integrations.langchain.asking_again.strict import (
    Provider,
    Subset,
    subset_for,
    without_added_nulls,
)
from llm_integrations.langchain.reading.chunks import Whole
from llm_integrations.langchain.traced import TracedJudge

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
    as_model: bool = False,
    retries: int = 0,
    registry: Registry | str | None = None,
    mode: Mode = "enforce",
    on_invalid: OnInvalid = None,
    on_unavailable: OnUnavailable | None = None,
    options: ValidationOptions | None = None,
    langsmith: Any = None,
) -> Structured:
    """``model.with_structured_output`` by the registry's schema: ``structured(model, "answer@1")``.

    The schema is looked up for each call, so that a new version of ``latest`` is asked for from the
    next call on; schemas that it refers to are sent with it, and one that is no object is asked for
    in the property ``value`` of one. The answer, a dict or what the schema describes, is judged by
    the whole schema, whatever of it the model was told.

    Args:
        model: a chat model that has ``with_structured_output``.
        schema: as ``answer@1``; ``latest`` follows the registry.
        method: as LangChain's; None takes the model's own. ``json_mode`` tells the model nothing of
            a schema: there it is told in a message.
        strict: as LangChain's. True rewrites the schema for the subset of the model's provider
            (OpenAI's where the provider is not known): objects closed, for OpenAI all properties
            required and optional ones null, which are left out of the answer again. What the subset
            cannot say is in ``widened`` and in the log, and the model reads it in descriptions.
            Gemini's subset is always applied.
        include_raw: whether the result is a dict of ``raw``, ``parsed`` and ``parsing_error``.
        as_model: whether the answer is an object of ``registry.model(schema)``, the pydantic class
            of the version that was asked for, where a dict is what the model gave. What does not
            fit the class, let through by the mode or put in by ``on_invalid``, stays as it is.
        retries: how often an invalid answer is asked for again, as ``reask``.
        registry, mode, on_invalid, on_unavailable, options, langsmith: as ``reask``.

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
    if strict and method == "json_mode":
        raise ConfigurationError("json_mode holds a model to no schema: leave strict out")
    judge = TracedJudge(
        resolve_registry(registry), "langchain", "output", mode, on_unavailable, options, langsmith
    )
    asking = {"method": method, "strict": strict, "include_raw": include_raw or None}
    return Structured(
        model,
        SchemaRef.parse(schema),
        judge,
        {key: value for key, value in asking.items() if value is not None},
        check_retries(retries),
        on_invalid,
        as_model=as_model,
    )


@dataclass(frozen=True, slots=True)
class _Version:
    """How one version is asked for, and what its answers are made.

    Attributes:
        reask: the model that asks for it.
        widened: what of it the model is not held to.
        model: the class of its answers; None for answers as they come.
    """

    reask: Reask
    widened: list[str]
    model: type[BaseModel] | None

    def given(self, answer: Any) -> Any:
        """An answer as it is passed on."""
        if self.model is None:
            return answer
        if isinstance(answer, dict) and answer.keys() == {"raw", "parsed", "parsing_error"}:
            return {**answer, "parsed": self.given(answer["parsed"])}
        try:
            return self.model.model_validate(answer)
        except ValidationError:
            return answer


class Structured(Runnable[Any, Any]):
    """What ``structured`` makes."""

    def __init__(
        self,
        model: Any,
        schema_ref: SchemaRef,
        judge: TracedJudge,
        asking: dict[str, Any],
        retries: int,
        on_invalid: OnInvalid,
        *,
        as_model: bool = False,
    ) -> None:
        self.runnable = model
        self.schema_ref = schema_ref
        self.judge = judge
        self._asking = asking
        self._retries = retries
        self._on_invalid = on_invalid
        self._as_model = as_model
        self._made: dict[str, _Version] = {}

    @property
    def widened(self) -> list[str]:
        """What of the schema in force the model is not held to, as ``minLength at /name``."""
        return list(self._version().widened)

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        """The schema, for the catalogue and ``prepare``."""
        return [("", "output", str(self.schema_ref))]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        version = self._version()
        return version.given(version.reask.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        version = await self._aversion()
        return version.given(await version.reask.ainvoke(input, config, **kwargs))

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        version, whole = self._version(), Whole()
        for chunk in version.reask.stream(input, config, **kwargs):
            if version.model is None:
                yield chunk
            else:  # there are no objects of a part
                whole.add(chunk)
        if not whole.is_empty:
            yield version.given(whole.value)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        version, whole = await self._aversion(), Whole()
        async for chunk in version.reask.astream(input, config, **kwargs):
            if version.model is None:
                yield chunk
            else:
                whole.add(chunk)
        if not whole.is_empty:
            yield version.given(whole.value)

    # Whatever the mode: without a schema there is nothing to ask for.

    def _version(self) -> _Version:
        registry = self.judge.registry
        validator = registry.validator(self.schema_ref, options=self.judge.options)
        made = self._made.get(validator.fingerprint)
        if made is None:
            schema = registry.get(validator.reference) if self._as_model else None
            made = self._make(validator, schema)
        return made

    async def _aversion(self) -> _Version:
        registry = self.judge.registry.aio
        validator = await registry.validator(self.schema_ref, options=self.judge.options)
        made = self._made.get(validator.fingerprint)
        if made is None:
            schema = await registry.get(validator.reference) if self._as_model else None
            made = self._make(validator, schema)
        return made

    def _make(self, validator: Validator, schema: RegisteredSchema | None) -> _Version:
        request = request_for(validator)
        provider = _provider(self.runnable)
        asking = dict(self._asking)
        if provider == "anthropic" and asking.get("strict"):
            asking.setdefault("method", "json_schema")  # by tools it is strict with nobody
        subset = _subset(request.schema, provider, asking)
        if subset.widened:
            log.warning(
                "%s is asked for without %s; answers are judged by all of it",
                validator.reference,
                ", ".join(subset.widened),
                extra={"llmi_schema": validator.reference},
            )
        try:
            model = self.runnable.with_structured_output(subset.schema, **asking)
        except NotImplementedError as error:
            raise ConfigurationError(f"the model has no structured output: {error}") from None
        except (AssertionError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the model's client cannot ask for {validator.reference}: {error}"
            ) from error
        told = _instruction(request) if asking.get("method") == "json_mode" else None
        answering = _Answering(model, request, subset, bool(asking.get("include_raw")), told)
        again = Reask(answering, self.schema_ref, self.judge, self._retries, self._on_invalid)
        made = _Version(
            again, subset.widened, None if schema is None else model_of(schema, validator)
        )
        if len(self._made) >= _VERSIONS:
            self._made.clear()
        self._made[validator.fingerprint] = made
        return made

    @never_raises
    def __repr__(self) -> str:
        return f"structured({type(self.runnable).__name__}, {str(self.schema_ref)!r})"


@dataclass
class _Answering(Runnable[Any, Any]):
    """A model's answers as the schema itself would have them, without a run of its own."""

    runnable: Runnable[Any, Any]
    request: Request
    subset: Subset
    has_raw: bool
    told: SystemMessage | None = None

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._answer(self.runnable.invoke(self._asked(input), config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._answer(await self.runnable.ainvoke(self._asked(input), config, **kwargs))

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        said = self.runnable.stream(self._asked(input), config, **kwargs)
        yield from map(self._answer, said)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        async for chunk in self.runnable.astream(self._asked(input), config, **kwargs):
            yield self._answer(chunk)

    def _asked(self, input: Any) -> Any:
        if self.told is None:
            return input
        messages = messages_of(input)
        first = sum(1 for _ in takewhile(lambda one: isinstance(one, SystemMessage), messages))
        return [*messages[:first], self.told, *messages[first:]]

    def _answer(self, said: Any) -> Any:
        if not self.has_raw or not isinstance(said, dict):
            return self._parsed(said)
        if "parsed" in said:
            return type(said)({**said, "parsed": self._parsed(said["parsed"])})
        return said

    def _parsed(self, said: Any) -> Any:
        found = without_added_nulls(said, self.subset)
        return found.get(VALUE) if self.request.is_wrapped and isinstance(found, dict) else found


def _subset(schema: dict[str, Any], provider: Provider | None, asking: Mapping[str, Any]) -> Subset:
    """The schema as it is sent: rewritten where the provider holds its models to a subset."""
    always = provider == "google" or (
        provider == "anthropic" and asking.get("method") == "json_schema"
    )
    if always or asking.get("strict"):
        return subset_for(schema, provider or "openai")
    return Subset(schema)


def _instruction(request: Request) -> SystemMessage:
    schema = json.dumps(request.schema, ensure_ascii=False)
    return SystemMessage(
        f"Answer with one JSON object that satisfies this JSON Schema, and nothing else: {schema}"
    )


def _provider(model: Any) -> Provider | None:
    while hasattr(type(model), "model_fields") and "bound" in type(model).model_fields:
        model = model.bound
    for kind in type(model).__mro__:
        for package, provider in _PACKAGES:
            if kind.__module__.startswith(package):
                return provider
    return None
