"""``models``: Python classes for schemas, and whether classes still say what is registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.connection import open_registry, with_registry_options
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.cli.output.progress import tracked
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.class_schema import Mode
from llm_integrations.core.registry import RegisteredSchema, Registry

__all__ = ["app"]

app = typer.Typer(help="Python classes for schemas, and classes that still say what is registered.")


@app.callback(invoke_without_command=True)
@with_registry_options
def models(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write a module per subject into.")
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option("--schema", help="As user-profile@2; may be repeated. Default: all, latest."),
    ] = None,
    registry: RegistryUrl = None,
) -> None:
    """Write pydantic classes, by datamodel-code-generator, for the schemas of the registry.

    Example: `llm-integrations models --out models/ -r schemas/`
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise typer.BadParameter("name the folder to write into: --out models/")
    from llm_integrations.core.models.code import write_module

    console = Console(soft_wrap=True)
    with open_registry(registry) as client:
        schemas = _chosen(client, subject)
    if not schemas:
        raise ConfigurationError(f"{client.url} holds no schema to make classes of")
    for schema in tracked(schemas, "writing"):
        written = write_module(schema, out)
        console.print(f"[green]{escape(str(schema))}[/]  {escape(str(written))}")


def _chosen(client: Registry, references: list[str] | None) -> list[RegisteredSchema]:
    if references:
        return [client.get(reference) for reference in references]
    latest = client.latest()
    return [latest[subject] for subject in sorted(latest)]


@app.command("check")
@with_registry_options
def check(
    pairs: Annotated[
        list[str],
        typer.Argument(
            help="A class and the version it should be, as app.models:UserProfile=user-profile@2; "
            "without a version it is the subject that the class is called after, latest."
        ),
    ],
    registry: RegistryUrl = None,
    serialization: Annotated[
        bool, typer.Option("--serialization", help="Compare what a pydantic model writes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that classes say what is registered. Exit code 1 if one does not, and how.

    Example: `llm-integrations models check app.models:UserProfile=user-profile@latest -r schemas/`
    """
    from llm_integrations.core.models import compare_model, load_model, subject_of

    found: list[dict[str, Any]] = []
    mode: Mode = "serialization" if serialization else "validation"
    with open_registry(registry) as client:
        for pair in pairs:
            path, _, reference = pair.partition("=")
            model = load_model(path)
            registered = client.get(reference or subject_of(model))
            disagreement = compare_model(model, registered, mode)
            found.append({"model": path, "schema": str(registered), "disagreement": disagreement})
    _report(found, as_json=as_json)
    if any(one["disagreement"] for one in found):
        raise typer.Exit(1)


def _report(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        changes = [{**one, "disagreement": one["disagreement"].changes} for one in found]
        print(json.dumps(changes, indent=2))
        return
    console = Console(soft_wrap=True)
    for one in found:
        colour = "red" if one["disagreement"] else "green"
        console.print(f"[{colour}]{escape(one['model'])}[/] {escape(str(one['disagreement']))}")
