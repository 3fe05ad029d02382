"""The hooks of .pre-commit-hooks.yaml, built and run by pre-commit as in a user's repository."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from llm_integrations.core.registry import connect
from tests.support.needs import needs

ROOT = Path(__file__).parents[2]
PRE_COMMIT = str(ROOT / ".venv-pre-commit/bin/pre-commit")
MODEL = "import pydantic\n\n\nclass User(pydantic.BaseModel):\n    name: {type}\n"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
HOOKS: list[dict[str, object]] = [
    {
        "id": "llm-integrations-models",
        "args": ["models:User=user@latest", "-r", "schemas/"],
    },
    {
        "id": "llm-integrations-check",
        "args": ["user@1", "-r", "schemas/"],
        "files": "^data/",
    },
    {"id": "llm-integrations-doctor", "args": ["-r", "schemas/"], "always_run": True},
]

pytestmark = [
    pytest.mark.real,
    needs("install-pre-commit", programs=(PRE_COMMIT,)),
    pytest.mark.timeout(600),  # pip installs this repository twice, with the extras of the hooks
]


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def outcomes(folder: Path) -> tuple[dict[str, str], str]:
    """Passed, Failed or Skipped for each hook, and all that pre-commit said."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PRE_COMMIT_HOME": str(folder.parent / "pre-commit"),
        "PIP_NO_COMPILE": "1",  # most of what is installed is never imported
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
    }
    run("git", "add", "--all", folder=folder)
    command = [PRE_COMMIT, "run", "--all-files", "--color", "never"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    names = {hook["id"]: hook["name"] for hook in _declared()}
    lines = [line for line in said.splitlines() if ".." in line]
    found = {
        hook: line.rpartition(".")[2]
        for hook, name in names.items()
        for line in lines
        if line.startswith(name)
    }
    return found, said


def _declared() -> list[dict[str, str]]:
    hooks: list[dict[str, str]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return hooks


def test_the_hooks_pass_what_is_right_and_name_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    (folder / "data").mkdir(parents=True)
    with connect(str(folder / "schemas")) as registry:
        registry.register("user", SCHEMA)
    (folder / "data/ada.json").write_text('{"name": "Ada"}')
    (folder / "models.py").write_text(MODEL.format(type="str"))
    ours = {"repo": str(ROOT), "rev": run("git", "rev-parse", "HEAD", folder=ROOT), "hooks": HOOKS}
    (folder / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [ours]}))
    run("git", "init", "--quiet", folder=folder)
    found, said = outcomes(folder)
    assert found == {hook["id"]: "Passed" for hook in _declared()}, said

    (folder / "data/ada.json").write_text('{"name": 1}')
    (folder / "models.py").write_text(MODEL.format(type="int"))
    version = next((folder / "schemas").rglob("*1*.json"))
    version.write_text(json.dumps({**SCHEMA, "required": []}))
    found, said = outcomes(folder)
    assert found == {hook["id"]: "Failed" for hook in _declared()}, said
    assert "/name" in said
