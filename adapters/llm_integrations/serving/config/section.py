"""What every section of the file has in common."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.reference import SchemaRef

__all__ = ["HeaderName", "PathPattern", "Pointer", "Reference", "Section", "UrlPath", "secret_from"]


def _reference(text: str) -> str:
    try:
        SchemaRef.parse(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
    return text


Reference = Annotated[str, AfterValidator(_reference)]
Pointer = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]
HeaderName = Annotated[str, Field(pattern=r"^[!#-'*+.^_`|~0-9A-Za-z-]+$")]
UrlPath = Annotated[str, Field(pattern=r"^/")]
PathPattern = Annotated[str, Field(pattern=r"^[/*]")]


def secret_from(where: str, variable: str) -> str:
    """The secret that an environment variable holds. Raises ConfigurationError."""
    if value := os.environ.get(variable):
        return value
    raise ConfigurationError(f"{where}: {variable} is not set")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
