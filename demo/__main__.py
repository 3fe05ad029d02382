"""Runs the steps in order and says at the end where the files are."""

from __future__ import annotations

import argparse
import importlib
import logging
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from demo.stage import Stage
from llm_integrations.core.registry import connect

# Each a module of this package with run(stage), told in the order of a day in a team's life.
STEPS = (
    "register",
    "prompts",
    "dataset",
    "drift",
    "evolution",
    "rag",
    "evaluation",
    "change",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("steps", nargs="*", help=f"some of: {', '.join(STEPS)} (default: all)")
    parser.add_argument("--folder", type=Path, help="where the files go (default: a new one)")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="llm-integrations-demo-"))
    # What the library would log is what the demo tells; once is enough.
    logging.getLogger("llm_integrations").setLevel(logging.ERROR)
    run(folder, tuple(chosen.steps) or STEPS)


def run(folder: Path, steps: tuple[str, ...]) -> None:
    started = time.perf_counter()
    console = Console(width=100)
    with connect(folder / "schemas") as registry:
        stage = Stage(folder, registry, console)
        for name in steps:
            importlib.import_module(f"demo.{name}").run(stage)
    lines = [f"{what:<22} {path}" for what, path in stage.files.items()]
    took = f"{time.perf_counter() - started:.1f} s"
    console.print(Panel("\n".join(lines), title="to look at", subtitle=took, title_align="left"))


if __name__ == "__main__":
    main()
