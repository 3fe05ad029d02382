"""``show``: one schema."""

from __future__ import annotations

import json

from rich.markup import escape
from rich.syntax import Syntax

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.options import JsonOutput, Reference, RegistryUrl
from llm_integrations.core.cli.output.console import wide_console

__all__ = ["show"]


def show(reference: Reference, registry: RegistryUrl = None, as_json: JsonOutput = False) -> None:
    """Show a schema: what it is, who owns it, and its text (with --json: the text alone)."""
    with open_registry(registry) as client:
        schema = client.get(reference)
    text = json.dumps(schema.body, indent=2, ensure_ascii=False)
    if as_json:
        print(text)
        return
    console = wide_console()
    console.print(f"[bold]{escape(str(schema))}[/]  {schema.state}")
    console.print(f"id          {schema.id}")
    console.print(f"fingerprint {schema.fingerprint}")
    for key, value in schema.metadata.items():
        console.print(f"{escape(key):<11} {escape(str(value))}")
    for path, tags in schema.path_tags.items():
        console.print(f"tagged      {escape(path)}: {escape(', '.join(tags))}")
    for rule in schema.rules:
        what = f"{rule.kind} {rule.type}{' (disabled)' if rule.disabled else ''}"
        console.print(f"rule        {escape(rule.name)}: {escape(what)}  {escape(rule.expression)}")
    for used in schema.references:
        console.print(f"uses        {escape(used.subject)}@{used.version} as {escape(used.name)}")
    console.print(Syntax(text, "json", background_color="default", word_wrap=True))
