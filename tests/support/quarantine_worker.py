"""A process that works on a quarantine: ``python -m tests.support.quarantine_worker FOLDER WHAT``.

WHAT is "die" (kill -9 when records were handed over, before they leave), "add" (set the same record
aside again) or "hold" (release, and wait for a line on standard input while records are handed
over).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.validation import compile_validator

__all__ = ["RELAXED", "STRICT", "bad"]

STRICT = compile_validator({"properties": {"n": {"minimum": 0}}}, subject="row", reference="row@1")
RELAXED = compile_validator({"type": "object"}, subject="row", reference="row@2")


def bad(n: int) -> QuarantinedRecord:
    data = {"n": n}
    return QuarantinedRecord.of(data, STRICT.validate(data), source="train", position=n)


def main(folder: Path, what: str) -> None:
    quarantine = Quarantine(folder / "aside")
    if what == "add":
        quarantine.add([bad(-1)])
        return

    def into(records: Sequence[QuarantinedRecord]) -> None:
        with (folder / "released").open("a") as stream:
            stream.writelines(json.dumps(record.value) + "\n" for record in records)
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.stdout.write("handed over\n")
        sys.stdout.flush()
        sys.stdin.readline()

    quarantine.release(RELAXED, into)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
