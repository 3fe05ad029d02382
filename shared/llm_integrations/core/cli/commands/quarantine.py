"""``quarantine``: look at what was set aside, and release what became valid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from llm_integrations.core.cli.connection import open_registry, with_registry_options
from llm_integrations.core.cli.options import JsonOutput, Reference, RegistryUrl
from llm_integrations.core.cli.output.console import wide_console
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.tables.remote import check_here

__all__ = ["app"]

app = typer.Typer(help="What was set aside, and why.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The quarantine's folder.")]


@app.command()
def show(
    folder: Folder,
    records: Annotated[int, typer.Option(help="How many records to show.", min=0)] = 5,
    reason: Annotated[
        str, typer.Option(help="Only those that have this reason, as 'minimum at /age'.")
    ] = "",
    values: Annotated[bool, typer.Option("--values", help="Show the data itself.")] = False,
    as_json: JsonOutput = False,
) -> None:
    """Show how many records there are for each reason, and some of them.

    A record counts once for each reason that it has, as in the reports. The data stays hidden
    unless --values asks for it: it may be personal.

    Example: `llm-integrations quarantine show bad/ --reason "minimum at /age" --values`
    """
    reasons: Counter[str] = Counter()
    schemas: Counter[str] = Counter()
    examples: list[QuarantinedRecord] = []
    for record in _opened(folder).records():
        if reason and reason not in record.reasons:
            continue
        reasons.update(record.reasons)
        schemas[record.schema] += 1
        if len(examples) < records:
            examples.append(record)
    if as_json:
        print(json.dumps(_summary(reasons, schemas, examples, values=values), indent=2))
        return
    _print(reasons, schemas, examples, values=values)


@app.command()
@with_registry_options
def release(
    folder: Folder,
    reference: Reference,
    into: Annotated[
        Path, typer.Option(help="A JSONL file: what became valid is added at its end.")
    ],
    registry: RegistryUrl = None,
    strict: Annotated[
        bool | None,
        typer.Option(
            "--strict/--absent",
            help="Whether null is null, or may stand for a missing value.",
            show_default="as each record was judged",
        ),
    ] = None,
) -> None:
    """Judge the records again by REFERENCE; what is valid now leaves the quarantine.

    Example: `llm-integrations quarantine release bad/ row@latest --into released.jsonl`
    """
    from dataclasses import replace

    quarantine = _opened(folder)
    forced = None if strict is None else "strict" if strict else "absent"
    with open_registry(registry) as client:
        schema = client.in_force(reference)  # past the cache: another process may have relaxed it
        validators = {
            nulls: client.validator_for(schema, options=replace(client.validation, nulls=nulls))
            for nulls in ("strict", "absent")
        }
        result = quarantine.release(
            lambda record: validators[forced or record.nulls or "absent"], partial(_append, into)
        )
    text = f"{result.released:,} released into {into}, {result.kept:,} kept"
    wide_console().print(escape(text), soft_wrap=True)


def _opened(folder: Path) -> Quarantine:
    check_here("quarantine", folder)
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise ConfigurationError(f"{folder} is no quarantine: {what}")
    return Quarantine(folder)


def _append(path: Path, records: Sequence[QuarantinedRecord]) -> None:
    """Add to the file and make it durable, before the records leave the quarantine."""
    import os

    path.parent.mkdir(parents=True, exist_ok=True)
    # The data was readable by its owner alone, and stays so.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "wb") as stream:
        for record in records:
            # Half of a surrogate pair is no UTF-8: JSON can carry it escaped.
            stream.write(record.text.encode("utf-8", "backslashreplace") + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _shown(record: QuarantinedRecord, *, values: bool) -> dict[str, object]:
    known: dict[str, object] = {
        "record_id": record.record_id,
        "schema": record.schema,
        "source": record.source,
        "position": record.position,
        "errors": [{"path": e.path, "message": e.message} for e in record.errors],
    }
    return {**known, "data": json.loads(record.text)} if values else known


def _summary(
    reasons: Counter[str], schemas: Counter[str], examples: list[QuarantinedRecord], *, values: bool
) -> dict[str, object]:
    return {
        "records": schemas.total(),
        "schemas": dict(schemas.most_common()),
        "reasons": dict(reasons.most_common()),
        "examples": [_shown(record, values=values) for record in examples],
    }


def _print(
    reasons: Counter[str], schemas: Counter[str], examples: list[QuarantinedRecord], *, values: bool
) -> None:
    console = wide_console()
    table = Table("records", "reason", title=f"{schemas.total():,} records", title_justify="left")
    for reason, count in reasons.most_common(20):
        table.add_row(f"{count:,}", escape(reason))
    console.print(table if reasons else "0 records")
    for schema, count in schemas.most_common():
        console.print(f"{count:>9,}  judged by {escape(schema)}")
    for record in examples:
        where = f"{record.source} #{record.position}" if record.source else record.record_id
        console.print(f"[bold]{escape(where)}[/]")
        for error in record.errors:
            console.print(f"  {escape(error.path or '(root)')}: {escape(error.message)}")
        if values:
            console.print(f"  [dim]{escape(record.text)}[/]", soft_wrap=True)
