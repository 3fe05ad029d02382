"""Schemas by reference where LangChain takes a schema: agents' answers, tools' arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.reprs import never_raises
from llm_integrations.langchain.asking_again.bundle import request_for
from llm_integrations.langchain.patience import NO_SCHEMA_NOW
from llm_integrations.langchain.resolve import Resolver

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator
    from llm_integrations.langchain.walk import Role

__all__ = ["ReferencedSchema", "args_schema", "response_format"]


def response_format(
    schema: str | SchemaRef, *, registry: Registry | str | None = None
) -> ReferencedSchema:
    """What an agent is to answer: ``create_agent(…, response_format=response_format("report@1"))``.

    It is a JSON Schema that follows the registry: the model is asked for a new version of
    ``latest`` from the next call on. ``ToolStrategy`` and ``ProviderStrategy`` take it too. Who
    judges the answer is ``SchemaMiddleware(response="report@1")``: LangChain does not.

    Raises:
        SchemaNotFound: when it is first read, that there is none.
        ConfigurationError: when it is first read, that it is no schema of objects.
    """
    return ReferencedSchema(schema, registry, "output")


def args_schema(
    schema: str | SchemaRef, *, registry: Registry | str | None = None
) -> ReferencedSchema:
    """What a tool's arguments are: ``@tool(args_schema=args_schema("search-args@1"))``.

    As ``response_format``. Who judges the arguments is ``SchemaMiddleware(tools=…)``, or a handler
    by the tool's metadata: LangChain itself judges by classes alone, as
    ``registry.model("search-args@1")``, which stay in their version.
    """
    return ReferencedSchema(schema, registry, "input")


def _reading(name: str) -> Any:
    """A method of a dict that reads what is in force now."""
    read: Callable[..., Any] = getattr(dict, name)

    def reading(self: ReferencedSchema, *args: Any) -> Any:
        return read(self.now(), *args)

    return reading


class ReferencedSchema(dict[str, Any]):
    """A JSON Schema by reference: a dict, as LangChain wants it, with the version in force.

    Whoever copies it (``dict(schema)``, ``{**schema}``) has the version of that moment.

    Attributes:
        schema_ref: the reference.
    """

    def __init__(
        self, schema: str | SchemaRef, registry: Registry | str | None, role: Role
    ) -> None:
        super().__init__()
        self.schema_ref: Final = SchemaRef.parse(schema)
        self._registry = resolve_registry(registry)
        self._role: Role = role
        self._resolver = Resolver(self._registry, None)
        self._validator: Validator | None = None
        self._body: dict[str, Any] = {}
        self._before: dict[str, Any] = {}

    def now(self) -> dict[str, Any]:
        """The schema in force, with those that it refers to. No caller may change it."""
        validator = self._registry.ready_validator(self.schema_ref)
        if validator is None:
            try:
                validator = self._resolver.fetched(str(self.schema_ref))
            except NO_SCHEMA_NOW:
                if self._validator is None:
                    raise
                validator = self._validator
        if validator is not self._validator:
            self._take(validator)
        return self._body

    def _take(self, validator: Validator) -> None:
        request = request_for(validator)
        if request.is_wrapped:
            raise ConfigurationError(
                f"{validator.reference} is no schema of objects, which models are asked for here; "
                f"structured(model, …) puts it into one and takes it out again"
            )
        self._before, self._body = self._body, request.schema
        self._validator = validator
        # C code that takes every dict for a plain one reads what is in this one.
        super().clear()
        super().update(request.schema)

    def schema_uses(self) -> list[tuple[str, Role, str]]:
        """The schema, for the catalogue and ``prepare``."""
        return [("", self._role, str(self.schema_ref))]

    def __getitem__(self, key: str) -> Any:
        # {**schema} asks for its keys, then for each: one may be gone with a new version meanwhile.
        body = self.now()
        return body[key] if key in body else self._before[key]

    __iter__ = _reading("__iter__")
    __len__ = _reading("__len__")
    __contains__ = _reading("__contains__")
    __eq__ = _reading("__eq__")
    __ne__ = _reading("__ne__")
    __or__ = _reading("__or__")
    __ror__ = _reading("__ror__")
    keys = _reading("keys")
    values = _reading("values")
    items = _reading("items")
    get = _reading("get")
    copy = _reading("copy")

    def __hash__(self) -> int:  # type: ignore[override] # a dict has none
        return hash(self.schema_ref)

    def __bool__(self) -> bool:
        return True

    def __copy__(self) -> ReferencedSchema:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ReferencedSchema:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return ReferencedSchema, (self.schema_ref, self._registry, self._role)

    @never_raises
    def __repr__(self) -> str:
        return f"ReferencedSchema({str(self.schema_ref)!r})"
