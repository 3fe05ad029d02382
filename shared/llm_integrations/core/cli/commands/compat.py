"""``compat``: may a schema become the next version of a subject?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.documents import read_schema
from llm_integrations.core.cli.options import JsonOutput, RegistryUrl, SchemaFile
from llm_integrations.core.cli.output import wide_console

if TYPE_CHECKING:
    from llm_integrations.core.evolution import CompatibilityReport

__all__ = ["compat"]


def compat(
    subject: Annotated[str, typer.Argument(help="Whose next version FILE would be.")],
    file: SchemaFile,
    registry: RegistryUrl = None,
    level: Annotated[
        str | None, typer.Option(help="BACKWARD, FORWARD, FULL, …; without it the subject's own.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="strict (the default), or lenient: properties nobody declared are taken as "
            "absent. What register refuses in a folder, it refuses by the lenient one."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Compare with these files, oldest first, and ask no registry."),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Judge FILE as the next version of SUBJECT; each no comes with an instance that shows it.

    Exit code 1 if it is incompatible. Nothing is registered.

    Example: `llm-integrations compat user-profile next.json -r schemas/ --policy lenient`
    """
    report = _report(subject, file, registry, level, _policy(policy), against)
    if as_json:
        print(report.to_json(indent=2))
    else:
        wide_console().print(report)
        if report and not report.compared and report.level != "NONE":
            wide_console().print("[yellow]There is no version to compare with.[/]")
        if not report and policy is None:
            _hint(subject, file, registry, level, against)
    if not report:
        raise typer.Exit(1)


def _hint(
    subject: str, file: Path, registry: str | None, level: str | None, against: list[Path] | None
) -> None:
    """A hint where ``register`` would decide otherwise, for it judges by another policy."""
    if _report(subject, file, registry, level, "lenient", against):
        wide_console().print(
            "[dim]It is compatible for data that holds only declared properties "
            "(--policy lenient, by which register checks in a folder).[/]"
        )


def _policy(name: str | None) -> Literal["strict", "lenient"] | None:
    match name:
        case None | "strict" | "lenient":
            return name
    raise typer.BadParameter(f"strict or lenient, not {name!r}")


def _report(
    subject: str,
    file: Path,
    registry: str | None,
    level: str | None,
    policy: Literal["strict", "lenient"] | None,
    against: list[Path] | None,
) -> CompatibilityReport:
    from llm_integrations.core.evolution import check_compatibility

    body = read_schema(file)
    if against:
        previous = [read_schema(path) for path in against]
        return check_compatibility(body, previous, level or "BACKWARD", policy or "strict")
    with open_registry(registry) as client:
        return client.check_compatibility(subject, body, level, policy=policy)
