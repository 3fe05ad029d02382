"""``doctor``: is everything there, are configurations right, and does the registry answer?"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from llm_integrations.core import __version__
from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.documents import accepts_all
from llm_integrations.core.cli.edited import edited_note
from llm_integrations.core.cli.left_out import latest_of
from llm_integrations.core.cli.options import JsonOutput, RegistryUrl
from llm_integrations.core.errors import (
    LLMIntegrationsError,
    OtherSchemaType,
    RegistryError,
    RegistryProtocolError,
)
from llm_integrations.core.extras import too_old
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry import Latest, Registry
from llm_integrations.core.registry.environment import unknown_variables

__all__ = ["doctor"]

_PARTS: Final = {
    "langchain": ("langchain-core", "langchain"),
    "llamaindex": ("llama-index-core",),
    "serving": ("pydantic",),
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


_CONFIGURATIONS: Final = {
    "LLM_INTEGRATIONS_SERVING_CONFIG": "llm_integrations.serving",
    "LLM_INTEGRATIONS_VLLM_CONFIG": "llm_integrations.vllm",
}
"""Middlewares by the variable that names their file; they are imported where it is set."""

_SHOWN: Final = 20


@dataclass
class _Findings:
    """What was looked at: a mark (well, trouble, question, absent), what, and words about it."""

    found: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, mark: str, what: str, text: str) -> None:
        self.found.append((mark, what, text))

    @property
    def is_well(self) -> bool:
        return all(mark != "✗" for mark, _, _ in self.found)

    def show(self) -> None:
        console = Console(soft_wrap=True)
        console.print(f"llm-integrations {__version__}, Python {_PYTHON}")
        for mark, what, text in self.found:
            colour = _COLOURS[mark]
            console.print(f"  [{colour}]{mark}[/] {escape(f'{what:<11} {text}')}")

    def to_json(self) -> str:
        checks = [{"state": _STATES[m], "what": what, "text": text} for m, what, text in self.found]
        about = {"version": __version__, "python": _PYTHON, "is_well": self.is_well}
        return json.dumps({**about, "checks": checks}, indent=2)


_PYTHON: Final = f"{platform.python_version()} ({sys.platform})"
_COLOURS: Final = {"✓": "green", "✗": "red", "?": "yellow", "-": "dim"}
_STATES: Final = {"✓": "well", "✗": "trouble", "?": "question", "-": "absent"}


def doctor(registry: RegistryUrl = None, as_json: JsonOutput = False) -> None:
    """Check the installation, the files of middlewares and, if one is configured, the registry.

    Exit code 1 on trouble.
    """
    findings = _Findings()
    for extra, names in _PARTS.items():
        findings.add(*_part(extra, names))
    for line in unknown_variables():
        findings.add("?", "environment", line)
    _look_at_files(findings)
    _look_at_registry(findings, registry)
    if as_json:
        print(findings.to_json())
    else:
        findings.show()
    if not findings.is_well:
        raise typer.Exit(1)


def _part(extra: str, distributions: tuple[str, ...]) -> tuple[str, str, str]:
    """The state of an extra: trouble if it is installed in a version that cannot be used."""
    found = {name: _version(name) for name in distributions}
    install = f"pip install 'llm-integrations[{extra}]'"
    if not any(found.values()):
        return "-", extra, install
    missing = [f"{name} is not installed" for name in distributions if not found[name]]
    old = [problem for name in distributions if (problem := too_old(extra, name))]
    if missing or old:
        return "✗", extra, f"{', '.join(missing + old)}: {install}"
    return "✓", extra, ", ".join(f"{name} {installed}" for name, installed in found.items())


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _look_at_files(findings: _Findings) -> None:
    """What becomes of a middleware's configuration: trouble if its server would not start."""
    for variable, module in _CONFIGURATIONS.items():
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            examined = import_module(module).SchemaMiddleware.examine(path)
        except LLMIntegrationsError as error:
            findings.add("✗", f"{variable}:", str(error))
            continue
        for reference, reason in examined.unreachable.items():
            findings.add("✗", f"{variable}:", f"{reference}: {reason}")
        if not examined.unreachable:
            count = f"{examined.rules} rules, {len(examined.references)} schemas"
            findings.add("✓", f"{path}:", count)


def _look_at_registry(findings: _Findings, registry: str | None) -> None:
    if registry is None:
        text = "none: give --registry or set LLM_INTEGRATIONS_REGISTRY_URL"
        return findings.add("?", "registry", text)
    started = time.perf_counter()
    try:
        with open_registry(registry) as client:
            count = len(client.subjects())
            took = (time.perf_counter() - started) * 1000
            latest, edited, url = latest_of(client), client.edited(), client.url
            damage = _damage_of_settings(client)
    except LLMIntegrationsError as error:
        return findings.add("✗", "registry:", str(error))
    findings.add("✓", "registry", f"{url}, {count} subjects, {took:.0f} ms")
    if not count:
        findings.add("?", "registry", "it holds no schema: is that the right place?")
    if damage is not None:
        findings.add("✗", "registry:", str(damage))
    _look_at_subjects(findings, latest)
    for line in _shortened([edited_note(reference) for reference in edited], "versions"):
        findings.add("✗", "changed", line)
    for line in _shortened(_unjudged_rules(url, latest), "rules"):
        findings.add("?", "rules", line)
    return None


def _damage_of_settings(client: Registry) -> RegistryError | None:
    """What is wrong with what the registry says of all subjects, as a folder's registry.json."""
    try:
        client.get_compatibility()
    except RegistryError as error:  # it may have no such level, or show it to others
        return error if isinstance(error, RegistryProtocolError) else None
    return None


def _look_at_subjects(findings: _Findings, latest: Latest) -> None:
    """What was left out; a schema of another type is no damage."""
    for subject, error in sorted(latest.left_out.items()):
        mark = "?" if isinstance(error, OtherSchemaType) else "✗"
        findings.add(mark, f"{subject}:", str(error))
    empty = [str(schema) for schema in latest.values() if accepts_all(schema.shared_body)]
    for line in _shortened([f"{name} has no word of JSON Schema" for name in empty], "schemas"):
        findings.add("?", "schema", f"{line}: it accepts all data")


def _shortened(lines: list[str], what: str) -> list[str]:
    hidden = len(lines) - _SHOWN
    return lines if hidden <= 0 else [*lines[:_SHOWN], f"and {hidden} {what} more"]


def _unjudged_rules(url: str, latest: Mapping[str, RegisteredSchema]) -> list[str]:
    """Warnings of the newest versions' rules that are not judged; folders hold no rules."""
    if not url.startswith("http"):
        return []
    from llm_integrations.core.validation.rules.rule_book import rule_book

    ruled = (schema for schema in latest.values() if schema.rules)
    return [f"{schema}: {text}" for schema in ruled for text in rule_book(schema.rules).warnings]
