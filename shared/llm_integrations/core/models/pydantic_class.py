"""A pydantic class for a registered schema; what pydantic cannot say, our validator judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.models.field_schema import class_name, field_schema

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_integrations.core.model.schema import RegisteredSchema
    from llm_integrations.core.validation import Validator

__all__ = ["class_name", "model_of"]


def model_of(schema: RegisteredSchema, validator: Validator) -> type[BaseModel]:
    """The class whose instances are the data that the schema accepts.

    Data is judged by the whole schema first, so that no keyword is lost. The class has the schema
    as ``schema_ref``, and in ``schema_losses`` a line for each thing that its fields say otherwise
    than the schema. An object's undeclared properties are kept. A schema of anything but objects
    gives a RootModel, with the value as ``root``.

    Raises:
        MissingExtra: pydantic or json-schema-to-pydantic is not installed.
    """
    require_extra("models", "pydantic", "json_schema_to_pydantic")
    from pydantic import create_model, model_validator

    fields, losses = _fields_of(schema.body, class_name(schema.subject))

    def judge(_cls: type[Any], data: Any) -> Any:
        report = validator.validate(data)
        if not report:
            raise ValueError("; ".join(f"{e.path or '/'}: {e.message}" for e in report.errors))
        return data

    judged: Any = classmethod(judge)
    as_validator: Any = model_validator(mode="before")
    made: type[Any] = create_model(
        class_name(schema.subject),
        __base__=fields,
        __module__=__name__,
        __doc__=f"{schema}, as its fields say it.",
        __validators__={"_judge": as_validator(judged)},
    )
    made.schema_ref = schema.ref
    made.schema_losses = (*losses, *_differences(schema, made))
    return made


def _fields_of(body: JsonSchema, name: str) -> tuple[Any, tuple[str, ...]]:
    """A class with the schema's fields, and why it has none where they cannot be made."""
    from pydantic import BaseModel, ConfigDict, RootModel, model_serializer

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow", protected_namespaces=())

        @model_serializer(mode="wrap")
        def _given(self, write: Any) -> Any:
            # An object that was left out is None, whatever its field's type.
            return _without_unset(self, write(self)) if isinstance(self, BaseModel) else None

    if not isinstance(body, dict):
        return RootModel[Any], ()
    is_object = body.get("type") == "object" or "properties" in body
    try:
        made = _made(field_schema(body, name), Open)
        made = made if isinstance(made, type) and issubclass(made, BaseModel) else RootModel[made]  # type: ignore[valid-type] # a type that is made here
        made.model_json_schema()  # which fails for what is not whole
    except Exception as error:  # noqa: BLE001 - the library's own errors, and those of pydantic
        why = "a definition is nothing but itself" if isinstance(error, RecursionError) else error
        reason = f"no fields: {type(error).__name__}: {str(why)[:200]}"
        return (Open if is_object else RootModel[Any]), (reason,)
    return made, ()


def _made(fields: dict[str, Any], base: type[BaseModel]) -> Any:
    from json_schema_to_pydantic.model_builder import PydanticModelBuilder

    builder = PydanticModelBuilder(base)
    unions: Any = builder.combiner_handler

    def union(parts: list[Any], *rest: Any) -> Any:
        """Of the classes by name; the library's own writes them out, without an end, and closed."""
        return Union[tuple(unions.recursive_field_builder(part, *rest) for part in parts)]  # noqa: UP007 - of parts that are known here only

    unions.handle_any_of = unions.handle_one_of = union
    return builder.create_pydantic_model(
        fields, fields, allow_undefined_array_items=True, allow_undefined_type=True
    )


def _without_unset(model: BaseModel, written: dict[str, Any]) -> dict[str, Any]:
    """A property that was left out is not null, which its schema may refuse."""
    fields = type(model).model_fields
    unset = {name for name in fields if name not in model.model_fields_set}
    names = {
        key for name in unset if getattr(model, name) is None for key in (name, fields[name].alias)
    }
    return {key: value for key, value in written.items() if key not in names}


def _differences(schema: RegisteredSchema, made: type[BaseModel]) -> tuple[str, ...]:
    from llm_integrations.core.evolution import check_compatibility
    from llm_integrations.core.evolution.model.source import Source

    try:
        fields = made.model_json_schema()
        return check_compatibility(fields, [Source(schema.body)], "FULL").messages
    except (LLMIntegrationsError, ValueError, TypeError) as error:  # pydantic's, for odd fields
        return (f"not compared: {type(error).__name__}",)
