"""``guide``: how to move from one version to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from llm_integrations.core.cli.options import JsonOutput, RegistryUrl
from llm_integrations.core.cli.output import wide_console
from llm_integrations.core.cli.sides import NewSide, OldSide, schema_of

__all__ = ["guide"]


def guide(
    old: OldSide,
    new: NewSide,
    registry: RegistryUrl = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write Markdown here.")
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Write the migration guide from OLD to NEW: what breaks, what to do, a draft of `migrate`.

    Example: `llm-integrations guide user-profile@1 user-profile@2 -r schemas/ -o MIGRATING.md`
    """
    from llm_integrations.core.evolution import migration_guide

    made = migration_guide(schema_of(old, registry), schema_of(new, registry))
    if as_json:
        print(made.to_json(indent=2))
    elif output is not None:
        output.write_text(made.to_markdown(), "utf-8")
        wide_console().print(f"[green]written[/] {escape(str(output))}", soft_wrap=True)
    elif wide_console().is_terminal:
        wide_console().print(made)
    else:
        print(made.to_markdown())
