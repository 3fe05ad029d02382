"""``init``, ``import``, ``push``, ``pull``: schemas into a registry, and from one to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.commands.writing.copying import copy_versions
from llm_integrations.core.cli.commands.writing.layouts import FoundSchema, find_schemas
from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.documents import read_schema
from llm_integrations.core.cli.left_out import latest_of
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.cli.output.progress import tracked
from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    InvalidSchema,
    SchemaConflict,
)
from llm_integrations.core.registry import Registry, connect, resolve_registry
from llm_integrations.core.registry.address import read_addresses

__all__ = ["import_schemas", "init", "pull", "push"]

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")
]
Subjects = Annotated[
    list[str] | None, typer.Option("--subject", help="May be repeated. Default: all.")
]


def init(
    folder: Annotated[str, typer.Argument(help="The folder; made if it is missing.")] = "schemas",
) -> None:
    """Make FOLDER a registry, and take the versions in it for published.

    Example: `llm-integrations init schemas/`
    """
    from llm_integrations.core.registry.local.file.folder import FolderStore

    [address] = read_addresses(folder)
    if address.protocol != "file":
        raise ConfigurationError(f"{folder} is no folder: init makes one, register uses a server")
    recorded = FolderStore(Path(address.location)).record_all()
    console = Console(soft_wrap=True)
    with connect(address.location) as registry:
        for error in latest_of(registry).left_out.values():
            console.print(f"[yellow]left out[/]: {escape(str(error))}")
    console.print(f"[green]{escape(folder)}[/] is a registry: keep it in git")
    if recorded:
        console.print(f"{recorded} versions are published from now on: a change is noticed")
    console.print(
        f"next: [bold]llm-integrations register user-profile user-profile.json -r {folder}[/]"
    )


def import_schemas(
    source: Annotated[
        Path,
        typer.Argument(
            help="A schema's file, or a folder of them: user.json, user/v1.json, "
            "com/example/user/1.json, user-v1.json. Or an export of LangSmith datasets."
        ),
    ],
    registry: RegistryUrl = None,
    dry_run: DryRun = False,
) -> None:
    """Register the schemas of a folder, however it is laid out. Exit code 1 if one is refused.

    Example: `llm-integrations import old-schemas/ -r schemas/`
    """
    found = find_schemas(source)
    with open_registry(registry) as client:
        outcomes = [_import(client, one, dry_run) for one in tracked(found)]
    _end(outcomes)


def _import(client: Registry, found: FoundSchema, dry_run: bool) -> tuple[str, str, str]:
    name = found.subject if found.version is None else f"{found.subject}@{found.version}"
    try:
        body = read_schema(found.path) if found.body is None else found.body
        if dry_run:
            return name, "to add", str(found.path)
        schema = client.register(found.subject, body, found.version)
    except (ConfigurationError, IncompatibleSchema, InvalidSchema, SchemaConflict) as error:
        where = "" if str(found.path) in str(error) else f"{found.path}: "
        return name, "refused", f"{where}{error}"
    return str(schema), "added", str(found.path)


def push(
    target: Annotated[str, typer.Argument(help="The registry to copy into.")],
    registry: RegistryUrl = None,
    subject: Subjects = None,
    dry_run: DryRun = False,
) -> None:
    """Copy the versions of --registry into TARGET. Exit code 1 if one is refused.

    Example: `llm-integrations push https://registry.example.com -r schemas/ --dry-run`
    """
    with resolve_registry(registry) as source, connect(target) as into:
        _copy(source, into, subject, dry_run)


def pull(
    source: Annotated[str, typer.Argument(help="The registry to copy from.")],
    registry: RegistryUrl = None,
    subject: Subjects = None,
    dry_run: DryRun = False,
) -> None:
    """Copy the versions of SOURCE into --registry. Exit code 1 if one is refused.

    Example: `llm-integrations pull https://registry.example.com -r schemas/`
    """
    with connect(source) as there, resolve_registry(registry) as into:
        _copy(there, into, subject, dry_run)


def _copy(source: Registry, target: Registry, subjects: list[str] | None, dry_run: bool) -> None:
    wanted = subjects or source.subjects()
    copied = copy_versions(source, target, tracked(wanted), dry_run=dry_run)
    _end([(str(one.reference), one.outcome, one.reason) for one in copied])


def _end(outcomes: list[tuple[str, str, str]]) -> None:
    """Print each outcome and their counts; exit code 1 if one is a refusal."""
    console = Console(soft_wrap=True)
    colours = {"added": "green", "to add": "yellow", "refused": "red", "present": "dim"}
    for name, outcome, more in outcomes:
        console.print(f"[{colours[outcome]}]{outcome:<8}[/] {escape(name)}  {escape(more)}")
    refused = sum(outcome == "refused" for _, outcome, _ in outcomes)
    console.print(f"{len(outcomes) - refused} of {len(outcomes)} well, {refused} refused")
    if refused:
        raise typer.Exit(1)
