"""``deprecate`` and ``delete``: versions that nobody should use any more."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.reference import SchemaRef

__all__ = ["delete", "deprecate"]

Exact = Annotated[str, typer.Argument(help="An exact version, as user-profile@2.")]


def deprecate(reference: Exact, registry: RegistryUrl = None) -> None:
    """Mark a version as deprecated: it goes on working, and every report says so.

    Example: `llm-integrations deprecate user-profile@1 -r schemas/`
    """
    with open_registry(registry) as client:
        schema = client.deprecate(reference)
    Console(soft_wrap=True).print(f"[green]{escape(str(schema))}[/] is {schema.state}")


def delete(
    reference: Annotated[
        str, typer.Argument(help="An exact version, or a subject together with --all-versions.")
    ],
    registry: RegistryUrl = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="For good, and not softly.")
    ] = False,
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="The whole subject.")
    ] = False,
) -> None:
    """Delete a version softly: who names it exactly is told that it was deleted.

    Example: `llm-integrations delete user-profile@1 -r schemas/`
    """
    named = SchemaRef.parse(reference)
    if named.is_latest and not all_versions:
        raise ConfigurationError(
            f"name an exact version, as {named.subject}@1, or say --all-versions"
        )
    with open_registry(registry) as client:
        if all_versions:
            gone = [
                SchemaRef(named.subject, v) for v in client.delete_subject(named.subject, permanent)
            ]
        else:
            client.delete(named, permanent)
            gone = [named]
    for one in gone:
        Console(soft_wrap=True).print(f"[green]{escape(str(one))}[/] is deleted")
