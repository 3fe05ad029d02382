"""``listen``: watch schemas change."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from rich.console import Console

from llm_integrations.core.cli.connection import open_registry
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.cli.output.pipe import reader_is_gone
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.registry import Registry

if TYPE_CHECKING:
    from llm_integrations.core.events import EventSource, SchemaEvent

__all__ = ["listen"]


def listen(
    registry: RegistryUrl = None,
    bus: Annotated[
        list[str] | None, typer.Option(help="kafka://h1:9092/topic or amqp://…; may be repeated.")
    ] = None,
    schemas_topic: Annotated[
        str | None,
        typer.Option(help="A Confluent registry's own log, as kafka://h1:9092/_schemas."),
    ] = None,
    poll: Annotated[
        float | None, typer.Option(help="Ask the registry every so many seconds.", min=0.1)
    ] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many events.", min=1)] = None,
) -> None:
    """Print each change of a schema as a line of JSON (CloudEvents), until interrupted.

    Without --bus, --schemas-topic or --poll a folder is watched and any other registry is asked
    every 30 s.

    Example: `llm-integrations listen -r schemas/ | jq .type`
    """
    from llm_integrations.core.events import EventListener

    with open_registry(registry) as client:
        sources = _sources(client, bool(bus), schemas_topic, poll)
        printer = _Printer(client, count)
        listener = EventListener(client, [printer], buses=bus or [], sources=sources)
        with listener.run_in_background():
            Console(stderr=True).print("[dim]listening; Ctrl-C ends it[/]")
            try:
                printer.done.wait()
            except KeyboardInterrupt:
                raise typer.Exit(0) from None


def _sources(
    client: Registry, has_bus: bool, topic: str | None, poll: float | None
) -> list[EventSource]:
    from llm_integrations.core.events import ConfluentTopicSource, FileWatchSource, PollSource

    sources: list[EventSource] = []
    if topic is not None:
        sources.append(ConfluentTopicSource(topic, client))
    if poll is not None:
        sources.append(PollSource(client, interval=poll))
    if not sources and not has_bus:
        is_folder = client.url.startswith("file:")
        if is_folder:
            client.subjects()  # raises for a folder that is not there
        sources.append(FileWatchSource(client) if is_folder else PollSource(client))
    return sources


class _Printer(LLMModuleIntegration):
    """An integration that prints each event."""

    delivery: ClassVar[Delivery] = "broadcast"

    def __init__(self, registry: Registry, count: int | None) -> None:
        super().__init__(registry)
        self.done = threading.Event()
        self._left = count

    @property
    def name(self) -> str:
        return "listen"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        from llm_integrations.core.events.cloudevents import to_cloudevent

        print(json.dumps(to_cloudevent(event)), flush=True)
        if self._left is not None:
            self._left -= 1
        if self._left == 0 or reader_is_gone():
            self.done.set()
