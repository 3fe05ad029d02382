"""``webhook serve`` receives events; ``webhook replay`` redelivers dead letters."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from llm_integrations.core.cli.listening import listen, run_server
from llm_integrations.core.cli.options import JsonOutput
from llm_integrations.core.cli.output.console import wide_console
from llm_integrations.core.errors import ConfigurationError, WebhookError

if TYPE_CHECKING:
    from llm_integrations.core.events import SchemaEvent
    from llm_integrations.core.events.delivery.dead_letter import DeadLetter
    from llm_integrations.core.events.delivery.deliverer import Handler
    from llm_integrations.core.webhooks.sending.outbox import Outbox

__all__ = ["replay", "serve"]

_SECRET: Final = "LLM_INTEGRATIONS_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
_ALL: Final = 1_000_000

SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        help=f"Secrets, one a line; otherwise those in {_SECRET}, separated by spaces.",
        exists=True,
        dir_okay=False,
    ),
]


def serve(
    inbox: Annotated[Path, typer.Option(help="SQLite file for accepted events.")] = Path(
        "inbox.db"
    ),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8080,
    secret_file: SecretFile = None,
    cert: Annotated[Path | None, typer.Option(help="Certificate (PEM), to speak https.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    bus: Annotated[
        str | None, typer.Option(help="Publish events here as well: kafka://… or amqp://…")
    ] = None,
) -> None:
    """Receive signed schema events, print each as a line of JSON, pass them on to a bus.

    Example: `llm-integrations webhook serve --port 8080 --bus kafka://localhost:9092/schemas`
    """
    from llm_integrations.core.events import connect_bus
    from llm_integrations.core.webhooks import WebhookReceiver

    target = connect_bus(bus) if bus else None
    handlers: list[Handler] = [_print_event] if target is None else [_print_event, target.publish]
    receiver = WebhookReceiver(_secrets(secret_file), inbox, handlers=handlers)
    finish = None if target is None else target.close
    run_server(receiver, listen(host, port, WebhookError), cert, key, finally_do=finish)


def replay(
    outbox: Annotated[Path, typer.Argument(help="A dispatcher's SQLite file.", exists=True)],
    endpoint: Annotated[
        str | None, typer.Option(help="Only what was meant for this endpoint, as --list names it.")
    ] = None,
    ids: Annotated[
        list[int] | None, typer.Option("--id", help="Only this dead letter; repeatable.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Show the dead letters, do nothing.")
    ] = False,
    discard: Annotated[bool, typer.Option(help="Delete them instead.")] = False,
    deliver: Annotated[
        str | None,
        typer.Option(help="Deliver to this URL now, rather than by the dispatcher that runs."),
    ] = None,
    secret_file: SecretFile = None,
    allow_private: Annotated[
        bool, typer.Option(help="Admit private addresses and http with --deliver.")
    ] = False,
    as_json: JsonOutput = False,
) -> None:
    """Queue dead letters of OUTBOX again; a dispatcher on the same file delivers them.

    Exit code 1 if, with --deliver, some were not acknowledged.

    Example: `llm-integrations webhook replay outbox.db --endpoint https://rag.example.com/hooks`
    """
    from llm_integrations.core.webhooks.sending.outbox import Outbox

    box = Outbox(outbox)
    try:
        if show:
            _show(_chosen(box, endpoint, ids), as_json=as_json)
            return
        act = box.discard if discard else box.redeliver
        count = act(endpoint, ids).result()
    finally:
        box.close()
    _tell({"discarded" if discard else "queued": count}, as_json=as_json)
    if deliver is not None and not discard:
        _deliver(outbox, deliver, _secrets(secret_file), allow_private=allow_private)


def _deliver(outbox: Path, url: str, secrets: list[str], *, allow_private: bool) -> None:
    from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher

    config = WebhookConfig(url, secret=secrets)
    dispatcher = WebhookDispatcher([config], outbox, allow_private=allow_private)
    with dispatcher.sync as webhooks:
        webhooks.flush()
        left = webhooks.health().endpoints[0].dead
    if left:
        print(f"{left} dead letters for {config.endpoint}: see --list", file=sys.stderr)
        raise typer.Exit(1)


def _chosen(box: Outbox, endpoint: str | None, ids: list[int] | None) -> list[DeadLetter]:
    found = box.dead_letters(endpoint, _ALL).result()
    return found if ids is None else [letter for letter in found if letter.id in ids]


def _show(letters: list[DeadLetter], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_fields(letter) for letter in letters], indent=2))
        return
    table = Table("id", "endpoint", "webhook-id", "attempts", "given up", "reason")
    for letter in letters:
        died = letter.at.isoformat(" ", "seconds")
        row = (letter.id, letter.endpoint, letter.webhook_id, letter.attempts, died, letter.reason)
        table.add_row(*map(str, row))
    wide_console().print(table)


def _fields(letter: DeadLetter) -> dict[str, int | float | str]:
    """A dead letter as JSON; times are Unix times in seconds."""
    return {
        "id": letter.id,
        "endpoint": letter.endpoint,
        "webhook_id": letter.webhook_id,
        "attempts": letter.attempts,
        "reason": letter.reason,
        "created": letter.event.timestamp.timestamp(),
        "died": letter.at.timestamp(),
    }


def _tell(counts: dict[str, int], *, as_json: bool) -> None:
    print(json.dumps(counts) if as_json else " ".join(f"{n} {what}" for what, n in counts.items()))


def _secrets(path: Path | None) -> list[str]:
    """Secrets of a file or the environment; a command line is readable by every local user."""
    text = path.read_text("utf-8") if path is not None else os.environ.get(_SECRET, "")
    secrets = text.split()
    if not secrets:
        raise ConfigurationError(f"no webhook secret: set {_SECRET}, or use --secret-file")
    return secrets


def _print_event(event: SchemaEvent) -> None:
    from llm_integrations.core.events.cloudevents import to_json

    print(to_json(event).decode(), flush=True)
