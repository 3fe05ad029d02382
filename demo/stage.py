"""What the steps of the demo share: a folder, a registry and a voice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule

from llm_integrations.core.registry import Registry

__all__ = ["Stage", "schema_document"]

SCHEMAS = Path(__file__).parent / "schemas"


def schema_document(name: str) -> dict[str, Any]:
    """A schema that comes with the demo, as ``user-profile-1``."""
    document: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    return document


@dataclass
class Stage:
    """Where the demo happens; ``files`` is what it leaves for the reader to look at."""

    folder: Path
    registry: Registry
    console: Console
    files: dict[str, Path] = field(default_factory=dict)
    _steps: int = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._steps += 1
        self.console.print(Rule(f"[bold]{self._steps}  {title}[/]", align="left"))
        yield
        self.console.print()

    def say(self, *lines: object) -> None:
        for line in lines:
            self.console.print(line)
