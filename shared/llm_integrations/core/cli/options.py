"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.registry import resolve_registry

__all__ = [
    "Delimiter",
    "JsonOutput",
    "Quotechar",
    "Reference",
    "RegistryUrl",
    "SchemaFile",
    "Subject",
    "complete_subject",
]

RegistryUrl = Annotated[
    str | None,
    typer.Option(
        "--registry",
        "-r",
        envvar="LLM_INTEGRATIONS_REGISTRY_URL",
        help="A folder, file://…, http(s)://…, llm+http(s)://…, apicurio+http(s)://…, "
        "glue://… or s3://…",
        show_default=False,
    ),
]


def complete_subject(context: typer.Context, incomplete: str) -> list[str]:
    """The registry's subjects that begin so, for the shell; none where it cannot be asked."""
    try:
        subjects = resolve_registry(context.params.get("registry")).subjects()
    except LLMIntegrationsError:
        return []
    return [subject for subject in subjects if subject.startswith(incomplete)]


Reference = Annotated[
    str,
    typer.Argument(
        help="As user-profile@2, user-profile@2.0.0, user-profile@latest.",
        autocompletion=complete_subject,
    ),
]
Subject = Annotated[
    str,
    typer.Argument(
        help="The schema's name, as com.example.user-profile.", autocompletion=complete_subject
    ),
]
SchemaFile = Annotated[Path, typer.Argument(help="A JSON or YAML file that holds one JSON Schema.")]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="What stands between the cells of CSV files, as ';'; otherwise a comma, or what the "
        "name says (.tsv, .psv).",
        show_default=False,
    ),
]
Quotechar = Annotated[
    str | None,
    typer.Option(
        help="What stands around cells that hold it; otherwise '\"'. Empty for nothing.",
        show_default=False,
    ),
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
