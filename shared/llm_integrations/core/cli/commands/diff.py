"""``diff``: what changed between two schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

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

if TYPE_CHECKING:
    from llm_integrations.core.evolution import Change

__all__ = ["diff"]

_FAIL_ON: Final[dict[str, Callable[[Change], bool]]] = {
    "breaking": lambda change: change.is_breaking,
    "backward": lambda change: change.breaks_backward,
    "forward": lambda change: change.breaks_forward,
    "any": lambda _: True,
}


def diff(
    old: OldSide,
    new: NewSide,
    registry: RegistryUrl = None,
    policy: PolicyName = None,
    regex: RegexMode = "linear",
    limits: LimitsText = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            help="Exit code 1 for changes that are breaking, or break new readers (backward), old "
            "readers (forward), or for any change.",
            show_default=False,
        ),
    ] = None,
    output: OutputFormat = None,
    as_json: JsonOutput = False,
) -> None:
    """Show what changed from OLD to NEW, and whom each change breaks.

    Data is taken to hold whatever its schema allows (strict); `guide` takes it to hold declared
    properties only (lenient), so the two can name different sides.

    Example: `llm-integrations diff user-profile@1 user-profile-next.json -r schemas/`, in CI with
    `--fail-on breaking --format github`
    """
    from llm_integrations.core.errors import ComparisonLimitExceeded
    from llm_integrations.core.evolution import diff as compare
    from llm_integrations.core.evolution.verdict.difference import Changes

    if fail_on is not None and fail_on not in _FAIL_ON:
        raise typer.BadParameter(f"one of {', '.join(_FAIL_ON)}", param_hint="--fail-on")
    chosen = format_of(output, as_json)
    cut: ComparisonLimitExceeded | None = None
    try:
        changes = compare(
            schema_of(old, registry),
            schema_of(new, registry),
            policy=policy_of(policy) or "strict",
            options=validation_of(regex),
            limits=limits_of(limits),
        )
    except ComparisonLimitExceeded as error:
        cut, changes = error, Changes(error.changes)
    if chosen != "text":
        data = [change.to_dict() for change in changes]
        print(printed(chosen, "diff", new, findings_of_changes(changes), data))
    elif changes or cut is None:
        wide_console().print(changes or "nothing changed")
    fails = fail_on is not None and any(map(_FAIL_ON[fail_on], changes))
    if cut is not None:
        typer.echo(f"error: {cut}", err=True)
    raise typer.Exit(1 if fails else 2 if cut else 0)
