"""``results``: what evaluations stored, checked and compared, for continuous integration."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.adapters import inspect_adapter, lm_eval_adapter
from llm_integrations.core.cli.connection import open_registry, with_registry_options
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.pins.lockfile import find_lock

__all__ = ["app"]

app = typer.Typer(help="Check and compare what evaluations stored.", no_args_is_help=True)

_CODES = {"valid": 0, "invalid": 1, "unjudged": 2, "same": 0, "changed": 1}
_COLOURS = ("green", "red", "yellow")


@app.command()
@with_registry_options
def check(
    path: Annotated[Path, typer.Argument(help="Results of lm-eval, or a log of inspect_ai.")],
    case: Annotated[str | None, typer.Option(help="Judge cases by this schema instead.")] = None,
    result: Annotated[str | None, typer.Option(help="Judge results by this one.")] = None,
    metric: Annotated[str | None, typer.Option(help="Judge metrics by this one.")] = None,
    migrate: Annotated[
        Path | None,
        typer.Option(help="A Python file whose migrate(data) is applied first; it is run."),
    ] = None,
    pins: Annotated[Path | None, typer.Option("--pins", "--lock", help="The lock file.")] = None,
    registry: RegistryUrl = None,
) -> None:
    """Judge stored results anew. Exit code 1 if something is invalid, 2 if it was not judged."""
    given = {"case": case, "result": result, "metric": metric}
    schemas = {role: reference for role, reference in given.items() if reference is not None}
    lock = None if pins is None else _lock(pins)
    options: dict[str, Any] = {"registry": open_registry(registry), "pins": lock}
    if _is_log(path):
        if schemas or migrate is not None:
            raise ConfigurationError("a log of inspect_ai is judged by the schemas that it names")
        found = inspect_adapter().check_log(path, **options)
        _tell(found.outcome, found.problems, found.unjudged)
    migrations = None if migrate is None else _migration(migrate, schemas)
    found = lm_eval_adapter().check_results(path, schemas=schemas, migrate=migrations, **options)
    _tell(found.outcome, found.problems(), found.unjudged())


@app.command()
@with_registry_options
def compare(
    old: Annotated[Path, typer.Argument(help="Results of lm-eval, a file or a folder.")],
    new: Annotated[Path, typer.Argument(help="Those to compare with them.")],
    registry: RegistryUrl = None,
) -> None:
    """Compare two results by document. Exit code 1 if something differs, 2 if samples are missing.

    Samples are comparable where document, prompt and target are the same.
    """
    client = None if registry is None else open_registry(registry)
    found = lm_eval_adapter().compare_results(old, new, registry=client)
    lines = [f"{task}: only in {old}" for task in found.only_old]
    lines += [f"{task}: only in {new}" for task in found.only_new]
    for task in found.tasks.values():
        lines += _differences(task)
    doubts = [f"{task.task}: {doubt}" for task in found.tasks.values() for doubt in task.doubts]
    _tell(found.outcome, lines, doubts)


def _differences(task: Any) -> Iterable[str]:
    name = task.task
    yield f"{name}: {task.same} samples the same, {len(task.changed)} changed"
    for metric, (old, new) in task.metrics.items():
        yield f"{name}: {metric} {old} → {new}"
    for change in task.changed:
        values = ", ".join(f"{key} {old} → {new}" for key, (old, new) in change.metrics.items())
        yield f"{name}: document {_place(change.place)}: {values or 'another response'}"
    for change in task.incomparable:
        yield f"{name}: document {_place(change.place)}: another {', '.join(change.moved)}"
    for side in ("old", "new"):
        for place in getattr(task, f"only_{side}"):
            yield f"{name}: document {_place(place)}: only in the {side} results"
    if task.inputs:
        yield f"{name}: moved: {', '.join(task.inputs)}"
    for role, (old, new) in task.pins.items():
        verdict = task.schemas.get(role)
        yield f"{name}: {role} {old} → {new}" + (f": {verdict.reason}" if verdict else "")


def _place(place: Any) -> str:
    return f"{place.doc_id} ({place.filter})"


def _tell(outcome: str, problems: Iterable[str], unjudged: Iterable[str]) -> None:
    console = Console(soft_wrap=True)
    for line in problems:
        console.print(escape(line), highlight=False)
    for line in unjudged:
        console.print(f"[yellow]{escape(line)}[/]", highlight=False)
    code = _CODES[outcome]
    console.print(f"[{_COLOURS[code]}]{outcome}[/]")
    raise typer.Exit(code)


def _lock(path: Path) -> Path:
    found = find_lock(path)
    if not found.is_file():
        raise ConfigurationError(f"there is no {path}; name the lock file by --lock")
    return found


def _is_log(path: Path) -> bool:
    """Whether a file is a log of inspect_ai: the binary form, or JSON with its head."""
    if path.suffix != ".json" or not path.is_file():
        return path.suffix == ".eval"
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False  # the reader of results says what is wrong
    return isinstance(document, dict) and {"eval", "status"} <= document.keys()


def _migration(path: Path, schemas: dict[str, str]) -> dict[str, Callable[[Any], Any]]:
    if len(schemas) != 1:
        raise ConfigurationError("--migrate needs one of --case, --result, --metric: what it is of")
    if not path.is_file():
        raise ConfigurationError(f"there is no {path}")
    function = runpy.run_path(str(path)).get("migrate")
    if not callable(function):
        raise ConfigurationError(f"{path} defines no function migrate(data)")
    return dict.fromkeys(schemas, function)
