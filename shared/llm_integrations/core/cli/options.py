"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Delimiter", "JsonOutput", "Quotechar", "Reference", "RegistryUrl", "SchemaFile"]

RegistryUrl = Annotated[
    str | None,
    typer.Option(
        "--registry",
        "-r",
        envvar="LLM_INTEGRATIONS_REGISTRY_URL",
        help="A folder, file://…, http(s)://…, llm+http(s)://…, glue://… or s3://…",
        show_default=False,
    ),
]
Reference = Annotated[
    str, typer.Argument(help="As user-profile@2, user-profile@2.0.0, user-profile@latest.")
]
SchemaFile = Annotated[
    Path, typer.Argument(help="A JSON or YAML file that holds one JSON Schema.", exists=True)
]
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
