"""``python -m benchmarks [area …]``: runs every bench_<area>.py and writes RESULTS.md.

Naming areas renews only their sections; the others stay as they were measured.
"""

from __future__ import annotations

import importlib
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
SECTIONS = HERE / "sections"


def areas() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measure(area: str) -> None:
    """Run one area in this process; ``run()`` returns its Sections."""
    print(f"{area} …", flush=True)
    sections = importlib.import_module(f"benchmarks.bench_{area}").run()
    stamp = (
        f"<!-- {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"jsonschema-rs {version('jsonschema-rs')} -->\n"
    )
    text = "\n".join(section.to_markdown() for section in sections)
    SECTIONS.mkdir(exist_ok=True)
    (SECTIONS / f"{area}.md").write_text(stamp + text, encoding="utf-8")


def assemble() -> None:
    parts = [
        "# Measured",
        "",
        "Written by `make bench`: medians, one machine, peers in the same run. Read the ratios, "
        "not the times.",
        "",
        *(path.read_text(encoding="utf-8") for path in sorted(SECTIONS.glob("*.md"))),
    ]
    RESULTS.write_text(re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n", "utf-8")
    print(f"written: {RESULTS}")


def main() -> None:
    chosen = sys.argv[1:]
    if len(chosen) == 2 and chosen[0] == "--one":
        measure(chosen[1])
        return
    for area in chosen or areas():
        # Each area in a process of its own, so that one's imports do not weigh on another.
        subprocess.run([sys.executable, "-m", "benchmarks", "--one", area], check=True)
    assemble()


if __name__ == "__main__":
    main()
