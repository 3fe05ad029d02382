"""A wrong configuration is told of before anything is started: by doctor, and by vLLM's plugin."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.vllm.plugin import check_before_start
from tests.support.serving_apps import USER

OURS = "llm_integrations.vllm.SchemaMiddleware"
VARIABLES = ["LLM_INTEGRATIONS_VLLM_CONFIG", "LLM_INTEGRATIONS_SERVING_CONFIG"]


class Files:
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        (folder / "schemas" / "user").mkdir(parents=True)
        (folder / "schemas" / "user" / "1.json").write_text(json.dumps(USER))
        for variable in VARIABLES:
            patch.delenv(variable, raising=False)

    def named(self, variable: str, **config: Any) -> Path:
        path = self._folder / "rules.yaml"
        given = {"registry": str(self._folder / "schemas"), "rules": [{"output": {}}], **config}
        path.write_text(yaml.safe_dump(given))
        self._patch.setenv(variable, str(path))
        return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.delenv("LLM_INTEGRATIONS_REGISTRY_URL", raising=False)
    return Files(tmp_path, monkeypatch)


def rule(schema: str, **output: Any) -> dict[str, Any]:
    return {"output": {"schema": schema, **output}}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt schema": ({"rules": [rule("usr@latest")]}, "a rule names usr@latest"),
    "a misspelt version": ({"rules": [rule("user@7")]}, "a rule names user@7"),
    "a misspelt key": ({"rulez": []}, "rulez"),
    "a tool's schema": ({"rules": [{"output": {"tools": {"save": "gone"}}}]}, "gone@latest"),
    "a key that is not set": (
        {"rules": [rule("user")], "auth": {"keys_env": ["NOT_SET_ANYWHERE"]}},
        "NOT_SET_ANYWHERE is not set",
    ),
    "a registry that is none": ({"rules": [rule("user")], "registry": "gopher://x"}, "gopher"),
}


def doctor() -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor"])
    return result.exit_code, " ".join(result.output.split())


class TestDoctor:
    @pytest.mark.parametrize("variable", VARIABLES)
    def test_says_what_a_right_file_holds(self, files: Files, variable: str) -> None:
        path = files.named(variable, rules=[rule("user"), rule("user@1")])
        code, told = doctor()
        assert code == 0, told
        assert f"✓ {path}: 2 rules, 2 schemas" in told

    @pytest.mark.parametrize("variable", VARIABLES)
    @pytest.mark.parametrize("name", WRONG)
    def test_says_what_is_wrong(self, files: Files, name: str, variable: str) -> None:
        config, reason = WRONG[name]
        files.named(variable, **config)
        code, told = doctor()
        assert code == 1
        assert variable in told
        assert reason in told

    def test_constrain_is_vllms(self, files: Files) -> None:
        rules = [rule("user", constrain=True)]
        files.named(VARIABLES[0], rules=rules)
        assert doctor()[0] == 0
        files.named(VARIABLES[1], rules=rules)
        assert "constrain" in doctor()[1]

    def test_a_registry_that_does_not_answer_is_trouble(self, files: Files) -> None:
        files.named(VARIABLES[0], rules=[rule("user")], registry="http://127.0.0.1:9")
        code, told = doctor()
        assert code == 1
        assert "user@latest" in told

    def test_a_file_that_is_not_there_is_told(
        self, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(VARIABLES[0], "/nowhere/rules.yaml")
        assert "cannot read /nowhere/rules.yaml" in doctor()[1]


class TestThePluginOfVllm:
    @pytest.fixture(autouse=True)
    def serving(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.argv", ["vllm", "serve", "M", "--middleware", OURS])

    @pytest.mark.parametrize("name", WRONG)
    def test_ends_the_start(self, files: Files, name: str) -> None:
        config, reason = WRONG[name]
        files.named(VARIABLES[0], **config)
        with pytest.raises(ConfigurationError, match=reason):
            check_before_start()

    def test_a_right_file_starts(self, files: Files) -> None:
        files.named(VARIABLES[0], rules=[rule("user")])
        check_before_start()

    def test_a_registry_that_does_not_answer_is_no_reason_not_to_start(
        self, files: Files, caplog: pytest.LogCaptureFixture
    ) -> None:
        files.named(VARIABLES[0], rules=[rule("user")], registry="http://127.0.0.1:9")
        check_before_start()
        assert "vllm starts without user@latest" in caplog.text

    def test_what_starts_no_server_is_left_alone(
        self, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        check_before_start()
        files.named(VARIABLES[0], **WRONG["a misspelt schema"][0])
        for arguments in (
            ["python", "offline.py"],
            ["vllm", "serve", "M"],
            ["vllm", "bench", OURS],
        ):
            monkeypatch.setattr("sys.argv", arguments)
            check_before_start()

    def test_vllm_finds_it(self) -> None:
        project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
        found = project["entry-points"]["vllm.general_plugins"]["llm_integrations"]
        assert found == f"{check_before_start.__module__}:{check_before_start.__name__}"
