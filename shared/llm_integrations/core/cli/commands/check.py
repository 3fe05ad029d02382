"""``check``: validate files by a schema of the registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.documents import STDIN, read_schema
from llm_integrations.core.cli.edited import refuse_edited
from llm_integrations.core.cli.options import (
    Delimiter,
    JsonOutput,
    Quotechar,
    RegistryUrl,
    complete_subject,
)
from llm_integrations.core.cli.output.findings import findings_of_records
from llm_integrations.core.cli.output.forms import OutputFormat, format_of, printed
from llm_integrations.core.cli.output.progress import ShowProgress, progress_of
from llm_integrations.core.cli.pointed import Pointed, named
from llm_integrations.core.cli.records import Record, read_records
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.tables import TABLE_SUFFIXES, CsvDialect, read_tables, rows_in
from llm_integrations.core.tables.remote import fetch, is_url
from llm_integrations.core.tables.unpack import unpacked
from llm_integrations.core.validation.report import NO_RECORD

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["check"]


@dataclass
class _Counts:
    """The counts so far; ``seen`` is always valid + invalid + unreadable.

    Attributes:
        show: how many examples to keep.
    """

    show: int
    seen: int = 0
    invalid: int = 0
    unreadable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def valid(self) -> int:
        return self.seen - self.invalid - self.unreadable

    def keep(self, where: str, errors: list[dict[str, Any]]) -> None:
        if len(self.examples) < self.show:
            self.examples.append({"where": where, "errors": errors})


def check(
    reference: Annotated[
        str | None,
        typer.Argument(
            help="As user-profile@2; with --schema the first of FILES.",
            autocompletion=complete_subject,
        ),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="JSON, JSONL, YAML, Parquet, Arrow or CSV files, here or at URLs (s3://, hf://); "
            "- is standard input (JSONL, or with --each a JSON array)."
        ),
    ] = None,
    registry: RegistryUrl = None,
    schema: Annotated[
        Path | None,
        typer.Option("--schema", help="Judge by this file's JSON Schema, and ask no registry."),
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="Take the items of a JSON array as records.")
    ] = False,
    pointer: Annotated[
        str,
        typer.Option(
            help="Judge what lies at this JSON Pointer in each record; * is each item of a list.",
            show_default=False,
        ),
    ] = "",
    json_text: Annotated[
        bool, typer.Option("--json-text", help="What is judged is text that holds JSON.")
    ] = False,
    show: Annotated[int, typer.Option(help="Invalid records to show.", min=0)] = 10,
    max_invalid: Annotated[
        float, typer.Option(help="The share of records that may be invalid.", min=0, max=1)
    ] = 0.0,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse a version whose file was changed after publishing."),
    ] = False,
    delimiter: Delimiter = None,
    quotechar: Quotechar = None,
    progress: ShowProgress = None,
    as_json: JsonOutput = False,
    form: OutputFormat = None,
) -> None:
    """Validate FILES by a schema, say what is wrong and where. Exit code 1 if more is than
    --max-invalid allows.

    In Parquet and CSV (.csv, .tsv, .psv) null may stand for a missing value; elsewhere null is
    null. A CSV cell is what the schema calls it: text, a number, true or false; an empty one is
    null.

    Example: `llm-integrations check user-profile@2 profiles.jsonl -r schemas/`, or
    `llm-integrations check --schema profile.json profiles.jsonl`; the results of a batch:
    `llm-integrations check answer@1 results.jsonl --json-text --pointer
    /response/body/choices/0/message/content`
    """
    dialect = CsvDialect(delimiter, quotechar)
    part = Pointed.parse(pointer, is_text=json_text)
    with _contract(reference, files or [], schema, registry) as (client, judged_by, data):
        if strict:
            refuse_edited(client, judged_by)
        validator = client.validator(judged_by)
        counts = _Counts(show)
        for name, path in _here(data):
            shown = len(counts.examples)
            with progress_of(Path(name).name, _size(path), counts, progress) as advance:
                if path.suffix.lower() in TABLE_SUFFIXES:
                    from llm_integrations.core.drift import for_tables  # which needs numpy

                    if not part.is_whole:
                        raise ConfigurationError(
                            f"{name} is a table: --pointer and --json-text look into records of "
                            "JSON, JSONL or YAML"
                        )
                    _judge_table(path, for_tables(client, judged_by), dialect, counts, advance)
                else:
                    for record in read_records(path, each=each, on_bytes=advance):
                        _judge(record, part, validator, counts)
            for example in counts.examples[shown:]:
                example["where"] = example["where"].replace(str(path), name, 1)
    _output(format_of(form, as_json), validator, counts)
    # Divided: 0.29 * 100 is below 29.
    if counts.seen and (counts.seen - counts.valid) / counts.seen > max_invalid:
        raise typer.Exit(1)


@contextmanager
def _contract(
    reference: str | None, files: list[str], schema: Path | None, registry: str | None
) -> Iterator[tuple[Registry, str, list[str]]]:
    """The registry, the reference and the data; a schema's file is a registry of its own."""
    if reference is None or not (files or schema):
        raise typer.BadParameter("name the files to check, or -")
    if schema is not None:
        with connect("memory://") as client:
            name = client.register(schema.stem, read_schema(schema)).ref
            yield client, str(name), [reference, *files]
        return
    with open_registry(registry) as client:
        yield client, reference, files


def _here(files: list[str]) -> Iterator[tuple[str, Path]]:
    """Local paths of the files by their names; URLs and packed files are copied for the time."""
    for file in files:
        with TemporaryDirectory(prefix="llm-integrations-") as folder:
            into = Path(folder)
            found = fetch(file, into) if is_url(file) else {file: Path(file)}
            for name, path in found.items():
                # One document of JSON is one record here, unless --each says otherwise.
                yield name, path if path.suffix.lower() == ".json" else unpacked(path, into)


def _size(path: Path) -> int | None:
    """What is told of how far it is: rows of a table, bytes of another file."""
    if path.suffix.lower() in TABLE_SUFFIXES:
        return rows_in(path)
    return path.stat().st_size if path != STDIN and path.is_file() else None


def _judge_table(
    path: Path,
    validator: Validator,
    dialect: CsvDialect,
    counts: _Counts,
    advance: Callable[[int], None],
) -> None:
    """Judge a table by its columns, block by block."""
    from llm_integrations.core.arrow import ArrowPlan

    plan = ArrowPlan(validator)
    first = 0
    for table in read_tables(path, validator=validator, dialect=dialect):
        report = plan.validate(table)
        broken = sum(n for reason, n in report.reasons.items() if reason.keyword in NO_RECORD)
        counts.seen += report.rows
        counts.unreadable += broken
        counts.invalid += report.invalid - broken
        counts.reasons.update({str(reason): n for reason, n in report.reasons.items()})
        for row, found in report.violations():
            if len(counts.examples) >= counts.show:
                break
            errors = [{"path": e.path, "message": e.message} for e in found]
            counts.keep(f"{path}: row {first + row}", errors)
        first += report.rows
        advance(report.rows)


def _judge(record: Record, part: Pointed, validator: Validator, counts: _Counts) -> None:
    counts.seen += 1
    if record.broken is not None:
        counts.unreadable += 1
        counts.reasons["unreadable"] += 1
        counts.keep(record.where, [{"path": "", "message": record.broken}])
        return
    errors = part.violations(record.value, validator)
    if not errors:
        return
    counts.invalid += 1
    counts.reasons.update({error.reason for error in errors})
    where = record.where if part.is_whole else named(record.where, record.value)
    counts.keep(where, [asdict(error) for error in errors])


def _output(form: str, validator: Validator, counts: _Counts) -> None:
    if form == "text":
        return _print(validator, counts)
    found = findings_of_records(counts.examples)
    data = _summary(validator, counts)
    return print(printed(form, validator.reference, "", found, data, seen=counts.seen))


def _print(validator: Validator, counts: _Counts) -> None:
    console = Console(soft_wrap=True)
    for example in counts.examples:
        console.print(f"[bold]{escape(example['where'])}[/]")
        for error in example["errors"]:
            console.print(f"  {escape(error['path'] or '(root)')}: {escape(error['message'])}")
    hidden = counts.seen - counts.valid - len(counts.examples)
    if hidden:
        console.print(f"… and {hidden} more")
    if not counts.seen:
        console.print("[yellow]there was nothing to check[/]")
    colour = "green" if counts.valid == counts.seen else "red"
    console.print(
        f"[{colour}]{counts.valid} valid[/], {counts.invalid} invalid, "
        f"{counts.unreadable} unreadable "
        f"of {counts.seen}, by {escape(validator.reference)}"
    )
    for reason, count in counts.reasons.most_common(10):
        console.print(f"  {count:>8}  {escape(reason)}")


def _summary(validator: Validator, counts: _Counts) -> dict[str, Any]:
    return {
        "schema": validator.reference,
        "fingerprint": validator.fingerprint,
        "seen": counts.seen,
        "valid": counts.valid,
        "invalid": counts.invalid,
        "unreadable": counts.unreadable,
        "reasons": dict(counts.reasons.most_common()),
        "examples": counts.examples,
    }
