"""The two sides of a comparison: files, or references to the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.documents import SUFFIXES, read_schema

if TYPE_CHECKING:
    from llm_integrations.core.evolution import Source

__all__ = ["NewSide", "OldSide", "schema_of"]

OldSide = Annotated[
    str, typer.Argument(help="The old version: a file, or a reference as user-profile@1.")
]
NewSide = Annotated[
    str, typer.Argument(help="The new version: a file, or a reference as user-profile@latest.")
]


def schema_of(side: str, registry: str | None) -> Source:
    """Read a file if there is one of that name, else ask the registry."""
    path = Path(side)
    if path.is_file() or path.suffix.lower() in SUFFIXES:
        from llm_integrations.core.evolution import Source

        return Source(read_schema(path), {}, path.name)
    from llm_integrations.core.impact import with_references

    with open_registry(registry) as client:
        return client.run(with_references(client, client.get(side)))
