"""Runs every call that takes a schema, in little memory; says how much processor time each took."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pyarrow as pa

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.evolution import Limits, check_compatibility, diff, migration_guide
from llm_integrations.core.validation import compile_validator
from llm_integrations.core.validation.arrow import compile_arrow

LIMITS = Limits(seconds=0.1)


def calls(old: Any, new: Any, data: Any) -> dict[str, Callable[[], object]]:
    """By name; each compiles anew what is not kept."""

    def arrow() -> None:
        columns = {name: [value] for name, value in data.items()} if isinstance(data, dict) else {}
        try:
            table = pa.table(columns)
        except pa.ArrowException:  # no column has this shape
            table = pa.table({})
        compile_arrow(old, schema=table.schema).split(table)

    return {
        "compile": lambda: compile_validator(old),
        "is_valid": lambda: compile_validator(old).is_valid(data),
        "validate": lambda: str(compile_validator(old).validate(data)),
        "diff": lambda: diff(old, new, limits=LIMITS),
        "check_compatibility": lambda: check_compatibility(new, [old], limits=LIMITS),
        "migration_guide": lambda: migration_guide(old, new, limits=LIMITS).to_markdown(),
        "compile_arrow": arrow,
    }


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    for line in sys.stdin:
        took = {}
        for name, call in calls(*json.loads(line)).items():
            sys.stderr.write(f"{name}\n")
            start = time.process_time()
            with suppress(LLMIntegrationsError):  # refused: that is an end as well
                call()
            took[name] = time.process_time() - start
        sys.stdout.write(json.dumps(took) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
