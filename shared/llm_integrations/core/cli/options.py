"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["JsonOutput", "Reference", "RegistryUrl", "SchemaFile"]

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
Reference = Annotated[
    str, typer.Argument(help="As user-profile@2, user-profile@2.0.0, user-profile@latest.")
]
SchemaFile = Annotated[
    Path, typer.Argument(help="A JSON or YAML file that holds one JSON Schema.", exists=True)
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
