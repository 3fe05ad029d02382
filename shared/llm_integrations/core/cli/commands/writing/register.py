"""``register``: put a schema into the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.comparing import (
    LimitsText,
    PolicyName,
    RegexMode,
    limits_of,
    policy_of,
    validation_of,
)
from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.documents import STDIN, SUFFIXES, read_schema
from llm_integrations.core.cli.options import RegistryUrl, Subject
from llm_integrations.core.cli.output.findings import findings_of_report
from llm_integrations.core.cli.output.forms import OutputFormat, format_of, printed
from llm_integrations.core.errors import ConfigurationError, IncompatibleSchema
from llm_integrations.core.models import load_model
from llm_integrations.core.ready import READY, ready_schema

__all__ = ["register"]


def register(
    subject: Subject,
    file: Annotated[
        str,
        typer.Argument(
            help="A JSON or YAML file that holds one JSON Schema, or a ready one: "
            f"{', '.join(READY)}; or a class, as app.models:UserProfile."
        ),
    ],
    registry: RegistryUrl = None,
    version: Annotated[
        str | None,
        typer.Option(help="A semantic version; without it the registry counts 1, 2, 3, …"),
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Who is told of changes.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    compatibility: Annotated[
        str | None,
        typer.Option(help="BACKWARD, FORWARD, FULL, the same with _TRANSITIVE, or NONE."),
    ] = None,
    policy: PolicyName = None,
    regex: RegexMode = "linear",
    limits: LimitsText = None,
    output: OutputFormat = None,
) -> None:
    """Register FILE as the next version of SUBJECT. Exit code 1 if it is incompatible.

    Example: `llm-integrations register user-profile user-profile.json -r schemas/ --owner team-a`,
    `llm-integrations register chat openai-chat -r schemas/`, or
    `llm-integrations register user-profile app.models:UserProfile -r schemas/`
    """
    body = _given(file)
    metadata: dict[str, Any] = {}
    if owner is not None:
        metadata["owner"] = owner
    if tag:
        metadata["tags"] = tag
    console = Console(soft_wrap=True)
    chosen = format_of(output, as_json=False)
    options: dict[str, Any] = {"policy": policy_of(policy), "limits": limits_of(limits)}
    if regex != "linear":
        options["validation"] = validation_of(regex)
    with open_registry(registry, **options) as client:
        try:
            schema = client.register(
                subject, body, version, metadata=metadata, compatibility=compatibility
            )
        except IncompatibleSchema as error:
            _show_refusal(console, chosen, subject, file, error)
            raise typer.Exit(1) from None
    if chosen != "text":
        described = {"schema": str(schema), "id": schema.id, "notes": list(schema.notes)}
        print(printed(chosen, f"register {subject}", file, (), described))
        return
    for note in schema.notes:
        console.print(f"[yellow]note[/]: {escape(note)}")
    console.print(f"[green]{escape(str(schema))}[/]  id {schema.id}  {schema.fingerprint[:12]}")


def _given(source: str) -> Any:
    """A file's schema, a ready one, or the class at package.module:Name."""
    path = Path(source)
    if path.exists() or path == STDIN or path.suffix.lower() in SUFFIXES:
        return read_schema(path)
    if ":" in source:
        return load_model(source)
    try:
        return ready_schema(source)
    except ConfigurationError:
        known = f"{path} is neither a file nor a ready schema ({', '.join(READY)})"
        raise ConfigurationError(f"{known}, nor a class (package.module:Name)") from None


def _show_refusal(
    console: Console, chosen: str, subject: str, file: str, error: IncompatibleSchema
) -> None:
    if chosen == "text" or error.report is None:
        console.print(f"[red]refused[/]: {escape(str(error))}")
        if error.report is not None:
            console.print(error.report)
        return
    findings = findings_of_report(error.report)
    print(printed(chosen, f"register {subject}", file, findings, error.report.to_dict()))
