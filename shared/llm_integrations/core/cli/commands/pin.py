"""``pin``: benchmarks and the schemas that they were written for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from llm_integrations.core.cli.adapters import lm_eval_adapter
from llm_integrations.core.cli.connection import open_registry, with_registry_options
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.cli.output.console import wide_console
from llm_integrations.core.errors import ConfigurationError, RegistryUnavailable
from llm_integrations.core.pins.inputs import Inputs
from llm_integrations.core.pins.lockfile import find_lock, read_lock
from llm_integrations.core.pins.pins import BenchmarkPins, PinMove
from llm_integrations.core.registry import Registry
from llm_integrations.core.registry.address import read_addresses

__all__ = ["app"]

app = typer.Typer(help="Pin benchmarks to exact schema versions.", no_args_is_help=True)

LockFile = Annotated[Path, typer.Option("--lock", help="The lock file; commit it.")]
Benchmark = Annotated[str, typer.Argument(help="The benchmark's name, as an lm-eval task's.")]
Case = Annotated[str | None, typer.Option(help="Schema of the test cases.")]
Result = Annotated[str | None, typer.Option(help="Schema of one sample's result.")]
Metric = Annotated[str | None, typer.Option(help="Schema of the metrics.")]

DEFAULT_LOCK = Path("benchmarks.lock")


Results = Annotated[
    Path | None,
    typer.Option("--results", help="Results of lm-eval, a file or a folder: what scores rest on."),
]

_Change = Callable[[BenchmarkPins, str, dict[str, str], dict[str, Inputs] | None], None]
"""Does something about one benchmark, with the references by role, and inputs by task."""


def _command(change: _Change) -> _Change:
    """Register a command of these options, with the name and the help of what it does."""

    def command(
        benchmark: Benchmark,
        case: Case = None,
        result: Result = None,
        metric: Metric = None,
        results: Results = None,
        registry: RegistryUrl = None,
        lock: LockFile = DEFAULT_LOCK,
    ) -> None:
        by_role = {"case": case, "result": result, "metric": metric}
        given = {role: reference for role, reference in by_role.items() if reference is not None}
        inputs = None if results is None else _inputs(results, benchmark)
        change(BenchmarkPins(lock, _registry(registry)), benchmark, given, inputs)

    app.command(change.__name__, help=change.__doc__)(with_registry_options(command))
    return change


@_command
def add(
    pins: BenchmarkPins,
    benchmark: str,
    references: dict[str, str],
    inputs: dict[str, Inputs] | None,
) -> None:
    """Pin BENCHMARK to what the references mean now, and to what the scores of results rest on.

    Example: `llm-integrations pin add my-task --case qa-case@2 --result qa-result@latest`
    """
    console = wide_console()
    for role, pin in pins.pin(benchmark, inputs=inputs, **references):
        console.print(f"[green]{escape(benchmark)}[/] {role:<7} {escape(str(pin))}")


@app.command("list")
def list_pins(lock: LockFile = DEFAULT_LOCK) -> None:
    """List what is pinned. Asks no registry."""
    known = read_lock(_expect(lock))
    if not known:
        wide_console().print(f"nothing is pinned in {escape(str(lock))}")
        return
    table = Table("benchmark", "role", "schema", "fingerprint")
    for name, pinned in known.items():
        for role, pin in pinned:
            table.add_row(escape(name), role, escape(str(pin.ref)), pin.fingerprint[:12])
    wide_console().print(table)


@app.command()
@with_registry_options
def check(
    benchmarks: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    results: Results = None,
    registry: RegistryUrl = None,
    lock: LockFile = DEFAULT_LOCK,
) -> None:
    """Check that pinned schemas still say what they said. Exit code 1 if one may not run.

    With --results also that documents, prompts, shots and settings are those that were pinned.
    """
    pins = BenchmarkPins(_expect(lock), _registry(registry))
    console = wide_console()
    blocked = False
    named = benchmarks or list(pins.benchmarks())
    if not named:
        raise ConfigurationError(
            f"nothing is pinned in {lock}, so nothing was checked; llm-integrations pin add"
        )
    for name in named:
        findings = pins.check(name)
        if results is not None and pins.get(name).inputs:
            findings += pins.check_inputs(name, _inputs(results, name))
        blocked = blocked or any(finding.blocking for finding in findings)
        if not findings:
            console.print(f"[green]ok[/]       {escape(name)}")
        for finding in findings:
            word = "[red]refused[/] " if finding.blocking else "[yellow]warning[/] "
            console.print(f"{word} {escape(str(finding))}")
    if blocked:
        raise typer.Exit(1)


@_command
def update(
    pins: BenchmarkPins,
    benchmark: str,
    references: dict[str, str],
    inputs: dict[str, Inputs] | None,
) -> None:
    """Move the pins of BENCHMARK (default: to the latest), with a migration guide for each move."""
    moves = pins.update(benchmark, inputs=inputs, **references)
    console = wide_console()
    if not moves:
        console.print(f"{escape(benchmark)} was up to date; nothing holds it now")
    for move in moves:
        _print_move(console, move)


@app.command()
def remove(benchmark: Benchmark, lock: LockFile = DEFAULT_LOCK) -> None:
    """Take BENCHMARK out of the lock file. Asks no registry."""
    path = _expect(lock)
    BenchmarkPins(path, "memory://").remove(benchmark)
    wide_console().print(f"{escape(benchmark)} is no longer pinned in {escape(str(path))}")


def _expect(lock: Path) -> Path:
    """Fail where the lock file is missing: a check in a wrong folder must not pass."""
    found = find_lock(lock)
    if not found.is_file():
        raise ConfigurationError(f"there is no {lock}; name the lock file by --lock")
    return found


def _inputs(results: Path, benchmark: str) -> dict[str, Inputs]:
    """What the scores of stored results rest on, as the harness's adapter reads it."""
    found: dict[str, Inputs] = lm_eval_adapter().stored_inputs(results, benchmark)
    return found


def _registry(url: str | None) -> Registry:
    """Fail where the folder of a registry is missing: that is no finding about its schemas."""
    where = url or os.environ.get("LLM_INTEGRATIONS_REGISTRY_URL")
    for address in read_addresses(where) if where else ():
        if address.protocol == "file" and not Path(address.location).is_dir():
            raise RegistryUnavailable(f"there is no folder {address.location}; see --registry")
    return open_registry(url)


def _print_move(console: Console, move: PinMove) -> None:
    colour = "green" if move.comparison.comparable else "red"
    console.print(f"[bold]{move.role}[/] {escape(str(move.old))} → {escape(str(move.new))}")
    console.print(f"[{colour}]past results: {escape(move.comparison.reason)}[/]")
    if move.guide is not None:
        console.print(Markdown(move.guide.to_markdown()))
