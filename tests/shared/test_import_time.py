"""What importing costs, and what it must not bring along."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MOST_MODULES = 260
"""Of all that is loaded, the interpreter's own included; 200 to 206 today. The registry's benchmark
has the milliseconds."""

SCRIPT = """
import json, sys
import {module}
print(json.dumps(sorted(sys.modules)))
"""

HEAVY = {
    "aio_pika", "aiokafka", "cloudevents", "confluent_kafka", "datasets", "httpcore", "httpx",
    "inspect_ai", "jsonschema", "langchain", "langchain_core", "llama_index",
    "lm_eval", "matplotlib", "numpy", "pandas", "prometheus_client", "pyarrow", "pydantic",
    "pyspark", "ray", "rich", "scipy", "torch", "tornado", "typer", "uvicorn", "vllm",
    "watchfiles", "yaml",
}  # fmt: skip


def imported(module: str) -> list[str]:
    """The names of all modules loaded."""
    script = SCRIPT.format(module=module)
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    names: list[str] = json.loads(result.stdout)
    return names


@pytest.mark.parametrize(
    "module",
    [
        "llm_integrations.core.registry",
        "llm_integrations.core.integration",
        "llm_integrations.core.judge",
    ],
)
def test_the_core_brings_no_broker_no_framework_and_nothing_heavy(module: str) -> None:
    assert {name.partition(".")[0] for name in imported(module)} & HEAVY == set()


def test_importing_the_registry_client_loads_few_modules() -> None:
    assert len(imported("llm_integrations.core.registry")) < MOST_MODULES


def test_connecting_to_a_folder_needs_no_http(tmp_path: object) -> None:
    script = f"""
import sys
from llm_integrations.core.registry import connect
with connect({str(tmp_path)!r}) as registry:
    registry.register("s", {{"type": "object"}})
    assert registry.validate("s", {{}})
assert "httpx" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
