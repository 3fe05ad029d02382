"""``doctor``: is everything there, and does the registry answer?"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.left_out import latest_of
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.errors import (
    LLMIntegrationsError,
    OtherSchemaType,
    RegistryError,
    RegistryProtocolError,
)
from llm_integrations.core.extras import too_old
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry import Registry

__all__ = ["doctor"]

_PARTS: Final = {
    "langchain": ("langchain-core", "langchain"),
    "llamaindex": ("llama-index-core",),
    "vllm": ("pydantic",),
    "datasets": ("datasets",),
    "arrow": ("pyarrow",),
    "drift": ("matplotlib", "scipy"),
    "ray": ("ray",),
    "spark": ("pyspark",),
    "lm-eval": ("lm-eval",),
    "inspect": ("inspect-ai",),
    "kafka": ("aiokafka",),
    "rabbitmq": ("aio-pika",),
    "webhooks": ("standardwebhooks",),
    "otel": ("opentelemetry-api",),
    "cel": ("cel-expr-python",),
    "glue": ("botocore",),
    "s3": ("s3fs",),
}
"""For each extra what people install it for; with none of that, it is not wanted here."""


_SHOWN: Final = 20


def doctor(registry: RegistryUrl = None) -> None:
    """Check the installation and, if one is configured, the registry. Exit code 1 on trouble."""
    console = Console(soft_wrap=True)
    console.print(
        f"llm-integrations {version('llm-integrations')}, Python {platform.python_version()} "
        f"({sys.platform})"
    )
    parts_are_well = [_part(console, extra, names) for extra, names in _PARTS.items()]
    if not (_registry_answers(console, registry) and all(parts_are_well)):
        raise typer.Exit(1)


def _part(console: Console, extra: str, distributions: tuple[str, ...]) -> bool:
    """Print the state of an extra. False if it is installed in a version that cannot be used."""
    found = {name: _version(name) for name in distributions}
    install = f"pip install 'llm-integrations[{extra}]'"
    if not any(found.values()):
        console.print(f"  [dim]-[/] {extra:<11} {escape(install)}")
        return True
    missing = [f"{name} is not installed" for name in distributions if not found[name]]
    old = [problem for name in distributions if (problem := too_old(extra, name))]
    if missing or old:
        console.print(
            f"  [red]✗[/] {extra:<11} {escape(', '.join(missing + old))}: {escape(install)}"
        )
        return False
    named = ", ".join(f"{name} {installed}" for name, installed in found.items())
    console.print(f"  [green]✓[/] {extra:<11} {named}")
    return True


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _registry_answers(console: Console, registry: str | None) -> bool:
    if registry is None:
        console.print("  [yellow]?[/] no registry: give --registry or set the environment variable")
        return True
    started = time.perf_counter()
    try:
        with open_registry(registry) as client:
            count = len(client.subjects())
            took = (time.perf_counter() - started) * 1000
            latest = latest_of(client)
            damage = _damage_of_settings(client)
            url = client.url
    except LLMIntegrationsError as error:
        console.print(f"  [red]✗[/] registry: {escape(str(error))}")
        return False
    console.print(f"  [green]✓[/] registry    {escape(url)}, {count} subjects, {took:.0f} ms")
    if not count:
        console.print("  [yellow]?[/] it holds no schema: is that the right place?")
    unjudged = _unjudged_rules(url, latest)
    for line in unjudged[:_SHOWN]:
        console.print(f"  [yellow]?[/] {escape(line)}")
    if len(unjudged) > _SHOWN:
        console.print(f"  [yellow]?[/] and {len(unjudged) - _SHOWN} rules more")
    if damage is not None:
        console.print(f"  [red]✗[/] {escape(str(damage))}")
    well = [_subject_is_well(console, *one) for one in sorted(latest.left_out.items())]
    return damage is None and all(well)


def _damage_of_settings(client: Registry) -> RegistryError | None:
    """What is wrong with what the registry says of all subjects, as a folder's registry.json."""
    try:
        client.get_compatibility()
    except RegistryProtocolError as error:
        return error
    except RegistryError:  # it has no such level, or shows it to others
        return None
    return None


def _subject_is_well(console: Console, subject: str, error: RegistryError) -> bool:
    """Print why a subject was left out. True for a schema of another type, which is no damage."""
    is_foreign = isinstance(error, OtherSchemaType)
    mark = "[yellow]?[/]" if is_foreign else "[red]✗[/]"
    console.print(f"  {mark} {escape(subject)}: {escape(str(error))}")
    return is_foreign


def _unjudged_rules(url: str, latest: Mapping[str, RegisteredSchema]) -> list[str]:
    """Warnings of the newest versions' rules that are not judged; folders hold no rules."""
    if not url.startswith("http"):
        return []
    from llm_integrations.core.validation.rules.rule_book import rule_book

    ruled = (schema for schema in latest.values() if schema.rules)
    return [f"{schema}: {text}" for schema in ruled for text in rule_book(schema.rules).warnings]
