"""Python code of pydantic classes for a registered schema, by datamodel-code-generator."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.extras import require_extra
from llm_integrations.core.files import atomic_write
from llm_integrations.core.models.field_schema import class_name

if TYPE_CHECKING:
    from llm_integrations.core.model.schema import RegisteredSchema

__all__ = ["code_of", "write_module"]


def write_module(schema: RegisteredSchema, folder: Path) -> Path:
    """Write a module that is named after the subject into a folder; returns its path."""
    name = re.sub(r"\W+", "_", schema.subject or "").strip("_").lower()
    path = folder / f"{name or 'schema'}.py"
    code = code_of(schema)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(code.encode())
    return path


def code_of(schema: RegisteredSchema) -> str:
    """The module's text, to be read and committed. It judges less than the schema may say.

    Raises:
        InvalidSchema: the schema refers to another one, which nothing fetches, or no code can be
            made of it.
        MissingExtra: datamodel-code-generator is not installed.
    """
    require_extra("models", "datamodel_code_generator", "pydantic")
    from datamodel_code_generator import generate
    from datamodel_code_generator.enums import DataModelType, InputFileType
    from datamodel_code_generator.format import Formatter

    foreign = next(_foreign_references(schema.body), None)
    if foreign is not None:
        raise InvalidSchema(f"{schema} refers to {foreign}: code is made of one whole schema only")
    try:
        code = generate(
            json.dumps(schema.body),
            input_file_type=InputFileType.JsonSchema,
            output_model_type=DataModelType.PydanticV2BaseModel,
            class_name=class_name(schema.subject),
            allow_remote_refs=False,
            disable_timestamp=True,
            formatters=[Formatter.BUILTIN],
            custom_file_header=f"# {schema}, fingerprint {schema.fingerprint[:12]}: generated.",
            use_schema_description=True,
        )
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InvalidSchema(f"no code can be made of {schema}: {reason}") from error
    return str(code)


def _foreign_references(body: Any) -> Any:
    """The references that lead out of a document, which the generator would fetch."""
    if isinstance(body, dict):
        for key in ("$ref", "$dynamicRef", "$recursiveRef"):
            target = body.get(key)
            if isinstance(target, str) and not target.startswith("#"):
                yield target
        for part in body.values():
            yield from _foreign_references(part)
    elif isinstance(body, list):
        for part in body:
            yield from _foreign_references(part)
