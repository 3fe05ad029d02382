"""Binding a prompt to its schema, so that ``partial``, ``+`` and slices keep the binding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from langchain_core.prompts import (
    BasePromptTemplate,
    ChatPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)

from llm_integrations.core.binding import BOUND, INPUT, OUTPUT, OWNER, PARTIALS, TOOL
from llm_integrations.core.config import check_name
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import SchemaRef

__all__ = ["BoundChatPromptTemplate", "BoundPromptTemplate", "bind_schema", "binding_of"]

log = get_logger(__name__)

P = TypeVar("P", bound=BasePromptTemplate[Any])
_KEYS = f"{TOOL!r} | {OUTPUT!r} | {INPUT!r}"
_BINDING = (INPUT, OUTPUT, OWNER, PARTIALS)


def bind_schema(
    prompt: P,
    schema: str | SchemaRef,
    *,
    owner: str | None = None,
    output: str | SchemaRef | None = None,
) -> P:
    """A copy of a prompt that names its schema, for SchemaCallbackHandler and the catalogue.

    Chat and text prompts keep the binding through ``partial``, ``+`` and slices, and serialise as
    the prompts they are, with the binding in their metadata. Other kinds keep it in their
    metadata, which ``+`` drops. What partial variables fill in, whenever they were given, is a part
    of the input; functions among them are called once for each run.

    Args:
        prompt: any prompt template; it is left as it is.
        schema: of the prompt's input, as ``user-profile@2.0.0`` or ``user-profile v2.0.0``.
        owner: who is told of changes; None takes the schema's owner.
        output: of what the model answers to this prompt.

    Raises:
        ConfigurationError: it is no prompt template, no reference, or the owner is empty; or it is
            neither chat nor text, and a function fills in one of its variables.
    """
    if not isinstance(prompt, BasePromptTemplate):
        raise ConfigurationError(
            f"a prompt template can be bound, not {type(prompt).__name__}: name the schema of a "
            f"tool, a model or a chain with .with_config(metadata={{{_KEYS}: …}})"
        )
    named = {INPUT: str(SchemaRef.parse(schema))}
    if output is not None:
        named[OUTPUT] = str(SchemaRef.parse(output))
    if owner is not None:
        check_name("owner", owner)
        named[OWNER] = owner
    return _with_metadata(prompt, {**(prompt.metadata or {}), **named})


def binding_of(prompt: Any) -> dict[str, Any]:
    """The binding in a prompt's metadata; empty for an unbound prompt."""
    metadata = getattr(prompt, "metadata", None) or {}
    return {key: metadata[key] for key in _BINDING if key in metadata}


def _with_metadata(prompt: P, metadata: dict[str, Any]) -> P:
    kind = _BOUND.get(type(prompt), type(prompt))
    metadata = {key: value for key, value in metadata.items() if key != PARTIALS}
    filled = _filled_in(prompt)
    fixed = {name: value for name, value in filled.items() if not callable(value)}
    if len(fixed) < len(filled) and not issubclass(kind, _Bound):
        raise ConfigurationError(
            f"{', '.join(sorted(filled.keys() - fixed.keys()))}: what a function fills in can be "
            f"judged in chat and text prompts, not in {kind.__name__}; give its value"
        )
    metadata |= {BOUND: True} | ({PARTIALS: fixed} if fixed else {})
    if kind is type(prompt):
        return prompt.model_copy(update={"metadata": metadata})
    copy = kind.model_construct(**dict(prompt))
    copy.metadata = metadata
    return copy  # type: ignore[return-value] # the bound kind is a subclass of the prompt's


def _filled_in(prompt: BasePromptTemplate[Any]) -> dict[str, Any]:
    """The partial variables that somebody gave: an optional placeholder fills itself with []."""
    messages = getattr(prompt, "messages", ())
    optional = {
        message.variable_name
        for message in messages
        if isinstance(message, MessagesPlaceholder) and message.optional
    }
    return {
        name: value
        for name, value in prompt.partial_variables.items()
        if not (name in optional and value == [])
    }


def _rebound(prompt: Any, *sources: Any) -> Any:
    """Give a prompt that an operation made the binding of its sources; the first one's wins."""
    bindings = [b for b in map(binding_of, sources) if b]
    if len({b.get(INPUT) for b in bindings}) > 1:
        log.warning(
            "prompts of different schemas were added; %s stays bound, %s is lost",
            bindings[0].get(INPUT),
            bindings[1].get(INPUT),
        )
    return _with_metadata(prompt, {**(prompt.metadata or {}), **bindings[0]})


class _Bound:
    """Mixin that keeps the binding through the operations that make new prompts."""

    metadata: dict[str, Any] | None
    partial_variables: Mapping[str, Any]

    def __add__(self, other: Any) -> Any:
        return _rebound(super().__add__(other), self, other)  # type: ignore[misc] # a mixin

    def __radd__(self, other: Any) -> Any:
        # Python asks a subclass on the right first, so a plain prompt on the left comes here.
        return _rebound(_plain(type(other)).__add__(other, _unbound(self)), other, self)

    def partial(self, **kwargs: Any) -> Any:
        made = super().partial(**kwargs)  # type: ignore[misc] # a mixin
        return _with_metadata(made, made.metadata or {})

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return super(_Bound, self._called()).invoke(input, config, **kwargs)  # type: ignore[misc] # a mixin

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return await super(_Bound, self._called()).ainvoke(input, config, **kwargs)  # type: ignore[misc] # a mixin

    def _called(self) -> Any:
        """The prompt for one run: what functions fill in is judged as it is written."""
        given = self.partial_variables
        if not any(map(callable, given.values())):
            return self
        values = {name: value() if callable(value) else value for name, value in given.items()}
        once = self.model_copy(update={"partial_variables": values})  # type: ignore[attr-defined] # a mixin
        return _with_metadata(once, self.metadata or {})

    @classmethod
    def lc_id(cls) -> list[str]:
        """The prompt's own identity: what is serialised loads anywhere, as a plain prompt."""
        identity: list[str] = _plain(cls).lc_id()
        return identity


class BoundChatPromptTemplate(_Bound, ChatPromptTemplate):
    """A chat prompt that keeps its binding."""

    def __getitem__(self, index: Any) -> Any:
        chosen = super().__getitem__(index)
        return _rebound(chosen, self) if isinstance(index, slice) else chosen


class BoundPromptTemplate(_Bound, PromptTemplate):
    """A text prompt that keeps its binding."""


_BOUND: dict[type, type[BasePromptTemplate[Any]]] = {
    ChatPromptTemplate: BoundChatPromptTemplate,
    PromptTemplate: BoundPromptTemplate,
}
_PLAIN: dict[type, Any] = {bound: plain for plain, bound in _BOUND.items()}


def _plain(kind: type) -> Any:
    return _PLAIN.get(kind, kind)


def _unbound(prompt: Any) -> Any:
    return _plain(type(prompt)).model_construct(**dict(prompt))
