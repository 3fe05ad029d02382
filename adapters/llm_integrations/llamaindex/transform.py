"""A step of an ingestion pipeline that lets valid documents through, stamped."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from llama_index.core.bridge.pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    field_serializer,
    field_validator,
)
from llama_index.core.schema import BaseNode, TransformComponent
from pydantic import computed_field
from pydantic_core import to_json

from llm_integrations.core.config import (
    Mode,
    OnUnavailable,
    ValidationOptions,
    check_choice,
    check_mode,
)
from llm_integrations.core.errors import ValidationLimitExceeded
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.judge import Judge, Sorted, Verdict
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, SchemaRef, connect, resolve_registry
from llm_integrations.core.stamp import InForce
from llm_integrations.core.validation import Validator
from llm_integrations.core.validation.report import BEYOND_SCHEMA
from llm_integrations.llamaindex.node_record import record_of
from llm_integrations.llamaindex.stamp import payload_of, with_metadata

__all__ = ["SchemaTransform"]

_NESTED: Final = (Mapping, list, tuple, set, frozenset, BaseModel)
"""Values that a store of flat metadata refuses; dates become text before it looks."""
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
"""Kinds of values that every store holds."""
_NOT_FLAT: Final = "the vector store holds text, numbers and booleans, no nested or list values"
_NOT_JSON: Final = "no vector store can hold this value: it cannot be written as JSON"


@dataclass(frozen=True)
class _Pin:
    """The version of a pinned copy; ``in_force`` None lets every node pass unjudged."""

    in_force: InForce | None


class SchemaTransform(TransformComponent):
    """Judges each node's metadata by a schema and stamps a copy with the version it was judged by.

    Put it first, so that whole documents are judged. A pickled copy, as worker processes get, is
    pinned to the version in force when it was pickled and holds no registry and no credentials.

    Args:
        schema: as ``doc-meta@latest``; what ``latest`` means is looked up on each call.
        registry: a Registry, a URL, or None for the environment's. Never serialised.
        mode: ``enforce`` sets invalid nodes aside, or raises where there is no quarantine;
            ``warn`` logs, counts and lets them pass with ``schema_valid: False``; ``off`` does
            nothing.
        quarantine: where invalid nodes go under ``enforce``, whole and with the reasons.
        text_field: judge the text too, as the property of this name.
        source: what quarantined records say about where they come from.
        cacheable: by default the pipeline's cache never answers instead of this step, since a hit
            judges nothing, sets nothing aside and mixes up documents of equal text. True allows
            it: the key then holds the version and fingerprint in force.
        on_unavailable: "raise" or "pass" when there is no schema to judge by; None means raise
            under enforce and pass under warn.
        options: how to judge; None takes the registry's.
        flat_metadata: refuse nested and list values, for a vector store that holds none (Chroma);
            None means no, until ``add_index`` asks the pipeline's store.

    Raises:
        SchemaValidationError: on a call, under ``enforce`` without a quarantine.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    schema_ref: str | SchemaRef = Field(alias="schema")
    registry: Registry | str | None = Field(default=None, exclude=True, repr=False)
    mode: Mode = "enforce"
    quarantine: Quarantine | str | Path | None = None
    text_field: str | None = None
    source: str = "llamaindex"
    cacheable: bool = False
    on_unavailable: OnUnavailable | None = None
    options: ValidationOptions | None = None
    flat_metadata: bool | None = None

    _judge: Judge = PrivateAttr()
    _pin: _Pin | None = PrivateAttr(default=None)
    _last: InForce | None = PrivateAttr(default=None)

    @field_validator("schema_ref", mode="before")
    @classmethod
    def _read_reference(cls, value: Any) -> str:
        return str(SchemaRef.parse(value))

    @field_validator("mode", mode="before")
    @classmethod
    def _read_mode(cls, value: Any) -> Mode:
        return check_mode(value)

    @field_validator("on_unavailable", mode="before")
    @classmethod
    def _check_policy(cls, value: Any) -> Any:
        if value is not None:
            check_choice("on_unavailable", value, OnUnavailable)
        return value

    @field_validator("quarantine", mode="before")
    @classmethod
    def _read_quarantine(cls, value: Any) -> Any:
        return Quarantine.of(value)

    @field_serializer("quarantine")
    def _show_quarantine(self, value: Any) -> str | None:
        return str(value.folder) if isinstance(value, Quarantine) else None

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._judge = Judge(
            resolve_registry(self.registry),
            module="llamaindex",
            side="document",
            mode=self.mode,
            on_unavailable=self.on_unavailable,
            options=self.options,
        )

    @classmethod
    def class_name(cls) -> str:
        return "SchemaTransform"

    @computed_field(repr=False)  # type: ignore[prop-decorator]  # mypy's limit
    @property
    def resolved_version(self) -> str:
        """The version that the last call judged by; empty before the first call."""
        return self._last.version if self._last else ""

    @computed_field(repr=False)  # type: ignore[prop-decorator]  # mypy's limit
    @property
    def fingerprint(self) -> str:
        """SHA-256 of the schema that the last call judged by; empty before the first call."""
        return self._last.fingerprint if self._last else ""

    @property
    def subject(self) -> str:
        return SchemaRef.parse(self.schema_ref).subject

    @property
    def client(self) -> Registry:
        """The registry in use."""
        return self._judge.registry

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        return self._apply(nodes, self.in_force())

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """As a call, but schemas are fetched and nodes judged off the event loop."""
        in_force = await self.ain_force()
        return await asyncio.to_thread(self._apply, nodes, in_force)

    def in_force(self) -> InForce | None:
        """The version to judge by now; None lets nodes pass unjudged.

        Raises:
            RegistryError: when there is none and ``on_unavailable`` says raise.
        """
        if self._pin is not None:
            return self._pin.in_force
        validator = self._judge.resolve(self.schema_ref)
        if validator is not None and not self._is_last(validator):
            self._last = InForce(validator, self.client.get(validator.reference).id)
        return self._last if validator else None

    async def ain_force(self) -> InForce | None:
        """``in_force`` without blocking the event loop; call it once to warm a cold client."""
        if self._pin is not None:
            return self._pin.in_force
        validator = await self._judge.aresolve(self.schema_ref)
        if validator is not None and not self._is_last(validator):
            schema = await self.client.aio.get(validator.reference)
            self._last = InForce(validator, schema.id)
        return self._last if validator else None

    def _is_last(self, validator: Validator) -> bool:
        return self._last is not None and self._last.validator is validator

    def pinned_to(self, in_force: InForce | None) -> Self:
        """A copy that judges by one version, whatever is published meanwhile."""
        copy = self.model_copy()
        copy._pin, copy._last = _Pin(in_force), in_force
        return copy

    def payload(self, node: BaseNode) -> Mapping[str, Any]:
        """The data of a node that is judged."""
        return payload_of(node, self.text_field)

    def would_pass(self, node: BaseNode) -> bool:
        """Whether a call would let a node through; nothing is counted, logged or set aside."""
        in_force = self.in_force() if self.mode == "enforce" else None
        if in_force is None:
            return True
        if self._unheld(node) is not None:
            return False
        try:
            return in_force.validator.is_valid(self.payload(node))
        except ValidationLimitExceeded:
            return False

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The fields from which the pipeline's cache makes this step's key."""
        if not self.cacheable:
            return {**super().to_dict(**kwargs), "call": uuid4().hex}
        self.in_force()
        return super().to_dict(**kwargs)

    def judged(self, nodes: Sequence[BaseNode]) -> list[BaseNode]:
        """As a call, for nodes that nobody changes: the copies share all but their metadata."""
        return self._apply(nodes, self.in_force(), deep=False)

    def _apply(
        self, nodes: Sequence[BaseNode], in_force: InForce | None, *, deep: bool = True
    ) -> list[BaseNode]:
        validator = in_force.validator if in_force else None
        settled = self._judge.settle(
            self._sort(validator, nodes),
            Quarantine.of(self.quarantine),
            source=self.source,
            whole=record_of,
            position=lambda node: node.id_,
        )
        return [
            with_metadata(node, in_force.stamped(node.metadata, valid=bool(verdict)), deep=deep)
            if in_force and verdict.outcome in ("valid", "invalid")
            else node
            for node, verdict in settled
        ]

    def _sort(self, validator: Validator | None, nodes: Sequence[BaseNode]) -> Sorted[BaseNode]:
        """The verdicts; what no store can hold is not even put before the schema."""
        unheld = [self._unheld(node) if validator else None for node in nodes]
        held = [node for node, why in zip(nodes, unheld, strict=True) if why is None]
        found = self._judge.sort(validator, held, payload=self.payload)
        if validator is None or len(held) == len(nodes):
            return found
        rest = iter(found.verdicts)
        verdicts = [next(rest) if w is None else self._refuse(validator, *w) for w in unheld]
        return Sorted(nodes, [self.payload(node) for node in nodes], verdicts)

    def _refuse(self, validator: Validator, key: str, told: str) -> Verdict:
        path = to_pointer([key])
        return self._judge.refuse(validator, told, path=path, schema_path=BEYOND_SCHEMA)

    def _unheld(self, node: BaseNode) -> tuple[str, str] | None:
        """A key whose value the store cannot hold, and why; one would end its whole batch."""
        for key, value in node.metadata.items():
            if type(value) in _PLAIN:
                continue
            if self.flat_metadata and isinstance(value, _NESTED):
                return str(key), _NOT_FLAT
            try:
                to_json(value)
            except ValueError:  # PydanticSerializationError is one
                return str(key), _NOT_JSON
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        del fields["registry"]
        return _rebuild, (type(self), fields, self._pin or _Pin(self.in_force()))


def _rebuild(kind: type[SchemaTransform], fields: dict[str, Any], pin: _Pin) -> SchemaTransform:
    # Pinned, it never asks a registry; an empty one stands in so that no URL is needed.
    made = kind(registry=connect("memory://"), **fields)
    made._pin, made._last = pin, pin.in_force
    return made
