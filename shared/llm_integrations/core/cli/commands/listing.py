"""``list``: what the registry holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.options import JsonOutput, RegistryUrl
from llm_integrations.core.errors import SchemaNotFound

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["list_subjects"]


def list_subjects(registry: RegistryUrl = None, as_json: JsonOutput = False) -> None:
    """List subjects with their versions, state and owner."""
    with open_registry(registry) as client:
        rows = [_row(client, subject) for subject in client.subjects()]
        url = client.url
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    console = Console()
    if not rows:
        console.print(f"{escape(url)} holds no schema yet; add one with [bold]register[/]")
        return
    table = Table("subject", "latest", "versions", "state", "owner")
    for row in rows:
        versions = ", ".join(str(version) for version in row["versions"])
        table.add_row(
            escape(row["subject"]), str(row["latest"]), versions, row["state"], row["owner"] or ""
        )
    console.print(table)


def _row(client: Registry, subject: str) -> dict[str, Any]:
    row: dict[str, Any] = {"subject": subject, "versions": client.versions(subject)}
    try:
        latest = client.get(f"{subject}@latest")
    except SchemaNotFound:
        # Only drafts and pre-releases: there is nothing that "latest" may mean yet.
        return row | {"latest": "", "state": "", "owner": None}
    return row | {"latest": latest.version, "state": latest.state, "owner": latest.owner}
