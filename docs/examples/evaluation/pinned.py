"""A benchmark that refuses to run once its schema moved.

pip install 'llm-integrations[inspect]'; python pinned.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from llm_integrations.core.errors import PinMismatch
from llm_integrations.core.pins import BenchmarkPins
from llm_integrations.core.registry import connect
from llm_integrations.inspect_ai import pinned

CASE = {"type": "object", "required": ["input", "target"]}


def main() -> None:
    with connect("memory://") as registry:
        registry.register("qa-case", CASE, compatibility="NONE")
        pins = BenchmarkPins(Path(tempfile.mkdtemp()) / "benchmarks.lock", registry)
        pins.pin("qa", case="qa-case@latest")
        print("runs:", pinned("qa", pins=pins, case="qa-case@latest")["version"])
        registry.register("qa-case", {"type": "object", "required": ["input"]})
        try:
            pinned("qa", pins=pins, case="qa-case@latest")
        except PinMismatch as error:
            print("refused:", error)
        [move] = pins.update("qa")
        print("re-pinned:", move.old.ref, "to", move.new.ref, "-", move.comparison.reason)


if __name__ == "__main__":
    main()
