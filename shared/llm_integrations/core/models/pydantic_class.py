"""A pydantic class for a registered schema; what pydantic cannot say, our validator judges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.model.schema import JsonSchema

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_integrations.core.model.schema import RegisteredSchema
    from llm_integrations.core.validation import Validator

__all__ = ["class_name", "model_of"]

_DATA: Final = ("const", "default", "enum", "examples")
_KEPT_FORMATS: Final = ("date-time", "date")


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

    fields, losses = _fields_of(schema.body)

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


def class_name(subject: str | None) -> str:
    """A subject as the name of a class: ``com.example.user-profile`` is UserProfile."""
    last = re.split(r"[./:]", subject or "")[-1]
    name = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", last))
    return name if name[:1].isalpha() else f"Schema{name}"


def _fields_of(body: JsonSchema) -> tuple[Any, tuple[str, ...]]:
    """A class with the schema's fields, and why it has none where they cannot be made."""
    from json_schema_to_pydantic import create_model
    from pydantic import BaseModel, ConfigDict, RootModel, model_serializer

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow", protected_namespaces=())

        @model_serializer(mode="wrap")
        def _given(self, write: Any) -> Any:
            return _without_unset(self, write(self))

    is_object = isinstance(body, dict) and (body.get("type") == "object" or "properties" in body)
    if not isinstance(body, dict):
        return RootModel[Any], ()
    try:
        made = create_model(
            _judged_by_types(body),
            Open,
            allow_undefined_array_items=True,
            allow_undefined_type=True,
        )
    except Exception as error:  # noqa: BLE001 - the library's own errors, and those of pydantic
        reason = f"no fields: {type(error).__name__}: {str(error)[:200]}"
        return (Open if is_object else RootModel[Any]), (reason,)
    if isinstance(made, type) and issubclass(made, BaseModel):
        return made, ()
    return RootModel.__class_getitem__(made), ()


def _without_unset(model: BaseModel, written: dict[str, Any]) -> dict[str, Any]:
    """A property that was left out is not null, which its schema may refuse."""
    fields = type(model).model_fields
    unset = {name for name in fields if name not in model.model_fields_set}
    names = {
        key for name in unset if getattr(model, name) is None for key in (name, fields[name].alias)
    }
    return {key: value for key, value in written.items() if key not in names}


def _judged_by_types(part: Any) -> Any:
    """A schema without keywords that would change or refuse data that it accepts.

    pydantic makes a set of unique items, normalises URLs, and knows fewer patterns.
    """
    if isinstance(part, list):
        return [_judged_by_types(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        key: value if key in _DATA else _judged_by_types(value)
        for key, value in part.items()
        if not _is_dropped(key, value)
    }


def _is_dropped(key: str, value: Any) -> bool:
    """By the value's type too: a property may have a keyword's name, and then it has a schema."""
    if key == "format":
        return isinstance(value, str) and value not in _KEPT_FORMATS
    return (key == "uniqueItems" and value is True) or (key == "pattern" and isinstance(value, str))


def _differences(schema: RegisteredSchema, made: type[BaseModel]) -> tuple[str, ...]:
    from llm_integrations.core.evolution import check_compatibility
    from llm_integrations.core.evolution.model.source import Source

    try:
        fields = made.model_json_schema()
        return check_compatibility(fields, [Source(schema.body)], "FULL").messages
    except (LLMIntegrationsError, ValueError, TypeError) as error:  # pydantic's, for odd fields
        return (f"not compared: {type(error).__name__}",)
