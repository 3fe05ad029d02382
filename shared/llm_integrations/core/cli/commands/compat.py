"""``compat``: may a schema become the next version of a subject?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_integrations.core.cli.comparing import (
    LimitsText,
    PolicyName,
    RegexMode,
    limits_of,
    policy_of,
    validation_of,
)
from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.documents import read_schema
from llm_integrations.core.cli.options import JsonOutput, RegistryUrl, SchemaFile
from llm_integrations.core.cli.output.console import wide_console
from llm_integrations.core.cli.output.findings import findings_of_report
from llm_integrations.core.cli.output.forms import OutputFormat, format_of, printed
from llm_integrations.core.errors import SchemaNotFound

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
    policy: PolicyName = None,
    regex: RegexMode = "linear",
    limits: LimitsText = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Compare with these files, oldest first, and ask no registry."),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="SUBJECT may be one that the registry does not have yet.")
    ] = False,
    output: OutputFormat = None,
    as_json: JsonOutput = False,
) -> None:
    """Judge FILE as the next version of SUBJECT; each no comes with an instance that shows it.

    Exit code 1 if it is incompatible, 2 for a SUBJECT without a version, which may be misspelt:
    `--new` lets it pass. Nothing is registered. Without `--policy` it is strict; what
    register refuses in a folder, it refuses by the lenient one.

    Example: `llm-integrations compat user-profile next.json -r schemas/ --policy lenient`
    """
    policy_of(policy)
    chosen = format_of(output, as_json)
    options = {"validation": validation_of(regex), "limits": limits_of(limits)}
    report = _report(subject, file, registry, level, policy, against, options)
    if not (report.compared or against or new):
        _refuse_unknown(subject, registry)
    if chosen != "text":
        findings = findings_of_report(report)
        print(printed(chosen, f"compat {subject}", str(file), findings, report.to_dict()))
    else:
        wide_console().print(report if report.violations or report.unknown else str(report))
        if report and not report.compared and report.level != "NONE":
            wide_console().print("[yellow]There is no version to compare with.[/]")
        lenient = ("lenient", against, options)
        if not report and policy is None and _report(subject, file, registry, level, *lenient):
            # ``register`` would decide otherwise, for it judges by another policy.
            wide_console().print(
                "[dim]It is compatible for data that holds only declared properties "
                "(--policy lenient, by which register checks in a folder).[/]"
            )
    if not report:
        raise typer.Exit(1)


def _refuse_unknown(subject: str, registry: str | None) -> None:
    """A misspelt subject would be compatible with anything. Raises SchemaNotFound."""
    with open_registry(registry) as client:
        try:
            client.versions(subject)
        except SchemaNotFound as error:
            raise SchemaNotFound(f"{error}; --new if it is to be a new subject") from None


def _report(
    subject: str,
    file: Path,
    registry: str | None,
    level: str | None,
    policy: str | None,
    against: list[Path] | None,
    options: dict[str, Any],
) -> CompatibilityReport:
    from llm_integrations.core.evolution import check_compatibility

    body = read_schema(file)
    if against:
        return check_compatibility(
            body,
            [read_schema(path) for path in against],
            level or "BACKWARD",
            policy or "strict",
            options=options["validation"],
            limits=options["limits"],
        )
    with open_registry(registry, **_changed(options)) as client:
        return client.check_compatibility(subject, body, level, policy=policy_of(policy))


def _changed(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are not as they are anyway, so that clients are shared."""
    from llm_integrations.core.config import ValidationOptions

    return (
        options if options["validation"] != ValidationOptions() else {**options, "validation": None}
    )
