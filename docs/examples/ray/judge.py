"""Judge a Ray data set on all workers, and set the bad rows aside.

pip install 'llm-integrations[ray]'
python judge.py
"""

from __future__ import annotations

import ray

from llm_integrations.core.registry import connect
from llm_integrations.ray import SchemaBatchValidator

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer", "minimum": 10}},
    "required": ["id"],
}


def main() -> None:
    with connect("memory://") as registry:  # or file://schemas, https://registry.example.com
        registry.register("training-row", SCHEMA)
        validator = SchemaBatchValidator("training-row@1", registry=registry)
    # The validator holds the schema itself: no worker asks the registry.
    result = validator.judge(ray.data.range(100_000))
    print(result.report)
    print(
        result.valid.count(), "valid rows;", result.quarantine("bad", source="range"), "set aside"
    )


if __name__ == "__main__":
    main()
