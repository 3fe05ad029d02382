"""The middleware in a real vLLM server: ``make demo-vllm``. Its model is a few KB of noise."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from llm_integrations.core.registry import Registry, connect
from tests.support.vllm_server import VllmServer, make_tiny_model

CHAT = "/v1/chat/completions"
QUESTION = {"type": "object", "required": ["ask"], "properties": {"ask": {"type": "string"}}}
COLOUR: dict[str, Any] = {
    "type": "object",
    "required": ["colour"],
    "properties": {"colour": {"enum": ["red", "green"]}},
    "additionalProperties": False,
}
RULES = """\
auth: none                            # this server has no API key
events: {watch: true}
rules:
  - name: free                        # the model says what it likes
    models: [free]
    input: {checks: [{of: messages, schema: question@latest}]}
    output: {schema: colour@latest}
  - name: constrained                 # decoding follows the registry's schema
    models: [constrained]
    output: {schema: colour@latest, constrain: true, mode: enforce}
  - name: strict                      # what a grammar cannot hold is still checked
    models: [strict]
    output: {schema: dark-colour@latest, constrain: true, mode: enforce}
"""


def main() -> None:
    import yaml

    console = Console(width=100)
    folder = Path(tempfile.mkdtemp(prefix="llm-integrations-vllm-"))
    with connect(folder / "schemas") as registry:
        registry.register("question", QUESTION)
        registry.register("colour", COLOUR, compatibility="NONE")
        registry.register("dark-colour", {**COLOUR, "not": {"required": ["colour"]}})
        config = {"registry": registry.url, **yaml.safe_load(RULES)}
        console.print(Panel(Syntax(RULES, "yaml"), title="vllm.yaml", title_align="left"))
        names = ("free", "constrained", "strict")
        model = make_tiny_model(folder / "model")
        server = VllmServer(model, config, folder, names=names)
        console.print("vllm serve … --middleware llm_integrations.vllm.SchemaMiddleware")
        with console.status("starting vLLM on the CPU, about a minute"), server.running():
            show(console, server, registry)
    console.print(f"[dim]log and configuration: {folder}")


def show(console: Console, server: VllmServer, registry: Registry) -> None:
    table = Table("request", "status", "x-schema", "valid", "answer", show_lines=True)
    with httpx.Client(base_url=server.url, timeout=120) as http:
        good = json.dumps({"ask": "Which colour?"})
        for model, text in (
            ("free", "no JSON"),
            ("free", good),
            ("constrained", good),
            ("strict", good),
        ):
            table.add_row(*row(http, model, text))
        blue = {**COLOUR, "properties": {"colour": {"enum": ["blue"]}}}
        registry.register("colour", blue)
        while row(http, "constrained", good)[2] != "colour@2":
            continue
        table.add_section()
        table.add_row("[bold]colour@2 was registered", "", "", "", "no restart")
        table.add_row(*row(http, "constrained", good))
    console.print(table)
    for outcome in ("valid", "invalid"):
        count = server.metric("llm_integrations_validation_total", outcome=outcome)
        console.print(f"/metrics: {count:.0f} {outcome}")


def row(http: httpx.Client, model: str, text: str) -> tuple[str, str, str, str, str]:
    message = {"role": "user", "content": text}
    request = {"model": model, "messages": [message], "max_tokens": 30}
    reply = http.post(CHAT, json=request)
    body = reply.json()
    said = (
        body["error"]["message"]
        if "error" in body
        else repr(body["choices"][0]["message"]["content"])
    )
    schema = reply.headers.get("x-schema", "")
    valid = reply.headers.get("x-schema-valid", "")
    return f"{model}: {text}", str(reply.status_code), schema, valid, said


if __name__ == "__main__":
    main()
