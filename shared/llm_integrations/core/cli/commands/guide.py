"""``guide``: how to move from one version to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from llm_integrations.core.cli.comparing import (
    LimitsText,
    PolicyName,
    RegexMode,
    limits_of,
    policy_of,
    validation_of,
)
from llm_integrations.core.cli.options import JsonOutput, RegistryUrl
from llm_integrations.core.cli.output.console import wide_console
from llm_integrations.core.cli.output.findings import findings_of_changes
from llm_integrations.core.cli.output.forms import OutputFormat, format_of, printed
from llm_integrations.core.cli.sides import NewSide, OldSide, schema_of

__all__ = ["guide"]


def guide(
    old: OldSide,
    new: NewSide,
    registry: RegistryUrl = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write Markdown here.")
    ] = None,
    policy: PolicyName = None,
    regex: RegexMode = "linear",
    limits: LimitsText = None,
    form: OutputFormat = None,
    as_json: JsonOutput = False,
) -> None:
    """Write the migration guide from OLD to NEW: what breaks, what to do, a draft of `migrate`.

    Example: `llm-integrations guide user-profile@1 user-profile@2 -r schemas/ -o MIGRATING.md`
    """
    from llm_integrations.core.evolution import migration_guide

    chosen = format_of(form, as_json)
    made = migration_guide(
        schema_of(old, registry),
        schema_of(new, registry),
        policy=policy_of(policy) or "lenient",
        options=validation_of(regex),
        limits=limits_of(limits),
    )
    text = made.to_markdown()
    if chosen != "text":
        text = printed(chosen, "guide", new, findings_of_changes(made.changes), made.to_dict())
    if output is not None:
        output.write_text(text, "utf-8")
        wide_console().print(f"[green]written[/] {escape(str(output))}", soft_wrap=True)
    elif chosen == "text" and wide_console().is_terminal:
        wide_console().print(made)
    else:
        print(text)
