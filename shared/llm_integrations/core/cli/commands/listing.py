"""``list``: what the registry holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.left_out import latest_of
from llm_integrations.core.cli.options import JsonOutput, RegistryUrl
from llm_integrations.core.cli.output.console import wide_console
from llm_integrations.core.errors import (
    InvalidReference,
    RegistryError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.registry import AsyncRegistry, Latest, Registry, Version

__all__ = ["list_subjects"]

_AT_ONCE: Final = 16


def list_subjects(registry: RegistryUrl = None, as_json: JsonOutput = False) -> None:
    """List subjects with their versions, state and owner."""
    with open_registry(registry) as client:
        latest = _latest(client)
        subjects = sorted({*client.subjects(), *latest, *latest.left_out})
        versions = client.run(_versions(client.aio, subjects))
        url = client.url
    rows = [_row(subject, versions[subject], latest) for subject in subjects]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    console = wide_console()
    if not rows:
        console.print(f"{escape(url)} holds no schema yet; add one with [bold]register[/]")
        return
    names = ("subject", "latest", "versions", "state", "owner")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for row in rows:
        every = ", ".join(str(version) for version in row["versions"])
        table.add_row(
            escape(row["subject"]), str(row["latest"]), every, row["state"], row["owner"] or ""
        )
    console.print(table)
    for row in rows:
        if "problem" in row:
            console.print(
                f"[yellow]{escape(row['subject'])}[/] is left out: {escape(row['problem'])}",
                soft_wrap=True,
            )


def _latest(client: Registry) -> Latest:
    try:
        return latest_of(client)
    except SchemaNotFound as error:  # a folder that is not there
        Console(stderr=True, soft_wrap=True).print(f"[red]error[/]: {escape(str(error))}")
        raise typer.Exit(2) from None


async def _versions(client: AsyncRegistry, subjects: Iterable[str]) -> dict[str, list[Version]]:
    """Each subject's versions, some subjects at once; none of a subject that cannot be read."""
    versions: dict[str, list[Version]] = {}
    waiting = iter(subjects)

    async def work() -> None:
        for subject in waiting:
            try:
                versions[subject] = await client.versions(subject)
            except RegistryUnavailable:
                raise
            except (RegistryError, InvalidReference):
                versions[subject] = []

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    return versions


def _row(subject: str, versions: list[Version], latest: Latest) -> dict[str, Any]:
    """A row; its latest is empty if all are drafts or pre-releases, or if it is unreadable."""
    row: dict[str, Any] = {"subject": subject, "versions": versions}
    schema = latest.get(subject)
    if schema is None:
        row |= {"latest": "", "state": "", "owner": None}
        error = latest.left_out.get(subject)
        return row if error is None else row | {"state": "UNREADABLE", "problem": str(error)}
    return row | {"latest": schema.version, "state": schema.state, "owner": schema.owner}
