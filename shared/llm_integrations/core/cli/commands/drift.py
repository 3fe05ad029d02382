"""``drift``: compare a data file with its baseline; the weekly job."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.options import JsonOutput, RegistryUrl
from llm_integrations.core.cli.output.console import wide_console
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.registry import Registry

if TYPE_CHECKING:
    from llm_integrations.core.drift import DriftReport, Profile
    from llm_integrations.core.validation import Validator

__all__ = ["drift"]


def drift(
    data: Annotated[
        str,
        typer.Argument(
            help="A Parquet, CSV or JSONL file of any size, packed or not, a folder or pattern of "
            "them, or a URL."
        ),
    ],
    reference: Annotated[str, typer.Argument(help="Its schema, as training-row@latest.")],
    registry: RegistryUrl = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            help="A profile (.json), a folder of them, or another data file; of several, drift is "
            "what drifted from each. Repeatable. Default: beside the schema."
        ),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Make DATA the baseline; compare nothing.")
    ] = False,
    show_values: Annotated[
        bool,
        typer.Option(
            "--show-values",
            help="Name frequent values in words, in the report or, with --save, in the baseline.",
        ),
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="A folder for drift.html, drift.md and drift.json.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A column that may change, as an id. Repeatable.")
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="A column to compare though it is new each time. Repeatable."),
    ] = None,
    category: Annotated[
        float | None, typer.Option(help="Limit of the Jensen–Shannon distance. Default: 0.1.")
    ] = None,
    number: Annotated[
        float | None, typer.Option(help="Limit of the Wasserstein distance. Default: 0.1.")
    ] = None,
    presence: Annotated[
        float | None, typer.Option(help="Limit for the share of nulls. Default: 0.05.")
    ] = None,
    new_categories: Annotated[
        float | None, typer.Option(help="Limit for values never seen. Default: 0.01.")
    ] = None,
    invalid: Annotated[
        float | None, typer.Option(help="Limit for more invalid rows. Default: 0.01.")
    ] = None,
    ks: Annotated[
        float | None,
        typer.Option(help="Limit of the Kolmogorov–Smirnov distance. Default: as --number."),
    ] = None,
    times_rows: Annotated[
        float | None,
        typer.Option("--rows", help="How many times more or fewer rows may be. Default: 100."),
    ] = None,
    false_alarms: Annotated[
        float | None,
        typer.Option(help="Share of runs without drift that may raise an alarm. Default: 0.02."),
    ] = None,
    limits: Annotated[
        Path | None,
        typer.Option(help="A file (YAML, JSON) with limits of single columns, as of x-drift."),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Compare DATA with its baseline. Exit code 1 if it drifted, 2 if nothing could be compared.

    Example: `llm-integrations drift rows.parquet training-row@latest --report out/ -r schemas/`
    """
    require_extra("drift", "pyarrow", "numpy", "scipy")
    from llm_integrations.core.drift import DriftLimits, detect, for_tables, read_limits

    given = {
        "category": category,
        "number": number,
        "presence": presence,
        "new_categories": new_categories,
        "invalid": invalid,
        "ks": ks,
        "rows": times_rows,
        "false_alarms": false_alarms,
    }
    own = DriftLimits({name: value for name, value in given.items() if value is not None})
    allowed = own.over(read_limits(limits))
    allowed.applied(None)
    with open_registry(registry) as client, TemporaryDirectory() as copies:
        validator = for_tables(client, reference)
        if save:
            files = _files(data, copies)
            _save(client, validator, files, _one(baseline), source=data, show_values=show_values)
            return
        known = _baselines(client, validator, baseline, copies)
        found = detect(
            _files(data, copies),
            validator,
            known,
            ignore=tuple(ignore or ()),
            compare=tuple(compare or ()),
            source=data,
            show_values=show_values,
            limits=allowed,
        )
    _show(found, report, as_json=as_json)
    if found.drifted:
        raise typer.Exit(1)
    if not found.decided:
        raise typer.Exit(2)


def _files(data: str, copies: str) -> list[Path]:
    from llm_integrations.core.tables.files import row_files

    return list(row_files([data], Path(copies)).values())


def _save(
    client: Registry,
    validator: Validator,
    data: list[Path],
    path: Path | None,
    *,
    source: str,
    show_values: bool,
) -> None:
    from llm_integrations.core.drift import BaselineStore, Labels, profile_tables

    target = path or BaselineStore.beside(client).path(validator.reference)
    labels = Labels(plain=show_values)
    profile = profile_tables(data, validator, labels=labels, source=source)
    profile.write(target)
    text = f"baseline of {validator.reference}: {profile.rows:,} rows, {target}"
    wide_console().print(f"[green]saved[/] {escape(text)}", soft_wrap=True)


def _one(baselines: list[Path] | None) -> Path | None:
    if baselines and len(baselines) > 1:
        raise ConfigurationError("--save makes one baseline: give one --baseline, or none")
    return baselines[0] if baselines else None


def _baselines(
    client: Registry, validator: Validator, paths: list[Path] | None, copies: str
) -> list[Profile]:
    from llm_integrations.core.drift import baselines_of, is_profile, profile_tables

    found: list[Profile] = []
    several: list[Path | None] = [*paths] if paths else [None]
    for path in several:
        if path is None or is_profile(path):
            found += baselines_of(client, validator.reference, path)
        else:
            data = _files(str(path), copies)
            found.append(profile_tables(data, validator, source=str(path)))
    return found


def _show(found: DriftReport, folder: Path | None, *, as_json: bool) -> None:
    paths = found.write(folder) if folder is not None else {}
    if as_json:
        print(found.to_json(indent=2))
        return
    console = wide_console()
    console.print(found)
    console.print(escape(str(found)), soft_wrap=True)
    for path in paths.values():
        console.print(f"written: {escape(str(path))}", soft_wrap=True)
