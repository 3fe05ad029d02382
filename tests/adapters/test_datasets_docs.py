"""docs/datasets.md runs as it is written."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.registry import connect

PAGE = Path(__file__).parents[2] / "docs/datasets.md"
ROW = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}},
    "required": ["age"],
}


def blocks(language: str) -> list[str]:
    found = re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found
    return found


def run(code: str, names: dict[str, Any]) -> None:
    compiled = compile(code, PAGE.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = eval(compiled, names)
    if inspect.isawaitable(waiting):
        asyncio.run(_done(waiting))


async def _done(waiting: Any) -> None:
    await waiting


def test_every_block_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", "schemas/")
    dataset = Dataset.from_dict({"age": [1, -1, 3]})
    dataset.to_parquet("rows.parquet")
    dataset.to_parquet("train.parquet")
    dataset.to_json("rows.jsonl")
    pairs = [{"id": n, "chosen": "a", "rejected": "b" if n else "a"} for n in (0, 1, 2, 2)]
    with connect("schemas/") as registry:
        registry.register("training-row", ROW)
        registry.register("training-row", {**ROW, "required": []})
        registry.register("preference", "preference")
        names = {
            "registry": registry,
            "dataset": dataset,
            "pairs": Dataset.from_list(pairs),
            "tell": lambda event, affected: None,
        }
        for code in blocks("python"):
            run(code.replace("kafka://broker:9092/schemas", "memory://"), names)
        assert names["result"].report.invalid == 2
        assert "2 of 4" in names["result"].report.to_html()
        for lines in blocks("console"):
            for line in lines.splitlines():
                _, *arguments = shlex.split(line)
                result = CliRunner().invoke(app, arguments)
                assert result.exit_code == 0, (line, result.output)


@pytest.mark.parametrize("package", ["airflow.sdk", "dagster", "wandb", "mlflow"])
def test_the_recipes_run_where_their_package_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    [code] = [block for block in blocks("py") if block.split()[1] == package]
    compile(code, PAGE.name, "exec")
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", "schemas/")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    Path("chats.jsonl").write_text('{"age": 1}\n' * 200 + '{"age": -1}\n')
    with connect("schemas/") as registry:
        registry.register("chat", ROW)
    names: dict[str, Any] = {}
    run(code, names)
    if package == "dagster":
        assert names["chats_satisfy_their_schema"]().passed
