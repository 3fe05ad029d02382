"""Tools that name a schema instead of spelling it out.

``{"$ref": "schema:user-profile@2"}`` in the place of a tool's parameters becomes the registry's
schema, and the arguments of its calls are judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_integrations.core.errors import InvalidSchema, RegistryError, SchemaNotFound
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry import Registry
from llm_integrations.serving.rules.named import allowed
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.rules.pointer import param_of, set_at
from llm_integrations.serving.shapes import Shape, Tool
from llm_integrations.serving.shapes.failure import Refused, bad_request, unavailable
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["fill_tools"]

_SCHEME: Final = "schema:"


async def fill_tools(
    shape: Shape, request: Any, registry: Registry, allow: Patterns
) -> tuple[Any, Mapping[str, str]]:
    """The request's ``tools`` with schemas in place, and which tool named which schema.

    Raises:
        Refused: 400 for a reference that is wrong, not allowed or unknown; 503 when the registry
            does not answer (the model would not know what to call the tool with).
    """
    filled = request
    references: dict[str, str] = {}
    for tool in shape.tools(as_dict(request)):
        text = _named_by(tool)
        if text is None:
            continue
        param = param_of(tool.path)
        reference = allowed(text, param, allow)
        filled = set_at(filled, tool.path, await _parameters(registry, reference, param))
        references[tool.name] = str(reference)
    return as_dict(filled).get("tools"), references


def _named_by(tool: Tool) -> str | None:
    parameters = as_dict(tool.parameters)
    text = parameters.get("$ref")
    if isinstance(text, str) and text.startswith(_SCHEME):
        return text.removeprefix(_SCHEME)
    return None


async def _parameters(registry: Registry, reference: SchemaRef, param: str) -> dict[str, Any]:
    try:
        body = (await registry.aio.get(reference)).body
    except (SchemaNotFound, InvalidSchema):
        raise Refused(bad_request(f"{param}: there is no schema {reference}", param)) from None
    except RegistryError as error:
        raise Refused(unavailable(error)) from None
    return body if isinstance(body, dict) else {}
