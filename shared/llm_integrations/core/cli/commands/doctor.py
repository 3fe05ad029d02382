"""``doctor``: is everything there, and does the registry answer?"""

from __future__ import annotations

import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.registry import resolve_registry

__all__ = ["doctor"]

_PARTS = {
    "langchain": "langchain-core",
    "llamaindex": "llama-index-core",
    "datasets": "datasets",
    "arrow": "pyarrow",
    "drift": "matplotlib",
    "ray": "ray",
    "spark": "pyspark",
    "lm-eval": "lm-eval",
    "inspect": "inspect-ai",
    "kafka": "aiokafka",
    "rabbitmq": "aio-pika",
    "webhooks": "standardwebhooks",
    "otel": "opentelemetry-api",
}


def doctor(registry: RegistryUrl = None) -> None:
    """Check the installation and, if one is configured, the registry. Exit code 1 on trouble."""
    console = Console(soft_wrap=True)
    console.print(
        f"llm-integrations {version('llm-integrations')}, Python {platform.python_version()} "
        f"({sys.platform})"
    )
    for extra, distribution in _PARTS.items():
        console.print(_part(extra, distribution))
    if not _registry_answers(console, registry):
        raise typer.Exit(1)


def _part(extra: str, distribution: str) -> str:
    try:
        return f"  [green]✓[/] {extra:<11} {distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"  [dim]-[/] {extra:<11} pip install 'llm-integrations\\[{extra}]'"


def _registry_answers(console: Console, registry: str | None) -> bool:
    if registry is None:
        console.print("  [yellow]?[/] no registry: give --registry or set the environment variable")
        return True
    started = time.perf_counter()
    try:
        with resolve_registry(registry) as client:
            count = len(client.subjects())
            url = client.url
    except LLMIntegrationsError as error:
        console.print(f"  [red]✗[/] registry: {escape(str(error))}")
        return False
    took = (time.perf_counter() - started) * 1000
    console.print(f"  [green]✓[/] registry    {escape(url)}, {count} subjects, {took:.0f} ms")
    if not count:
        console.print("  [yellow]?[/] it holds no schema: is that the right place?")
    return True
