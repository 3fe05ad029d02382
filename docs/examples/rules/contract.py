"""A data contract: a JSON Schema, and a rule that no JSON Schema can say.

python contract.py http://localhost:8081
"""

from __future__ import annotations

import sys

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.registry import connect

RESPONSES = [
    {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42},
    {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 41},
]


def main(url: str, reference: str = "usage@latest") -> int:
    # With "require" a rule that cannot be judged here is an error rather than a warning.
    with connect(url, validation=ValidationOptions(rules="require")) as registry:
        schema = registry.get(reference)
        for rule in schema.rules:
            print(f"{schema} {rule.name}: {rule.expression}")
        validator = registry.validator(reference)
        reports = [validator.validate(response) for response in RESPONSES]
        for report in reports:
            print(report)
        return sum(not report for report in reports)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:3]))
    except LLMIntegrationsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
