"""The middleware's YAML file."""

from __future__ import annotations

import dataclasses
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft202012Validator

from llm_integrations.core.config import TLSOptions, ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving.config.file import CONFIG_VARIABLE, MiddlewareConfig, load_config
from llm_integrations.serving.config.registry import ValidationConfig

SCHEMA = json.loads(files("llm_integrations.serving").joinpath("config.schema.json").read_text())
FOLDER = Path(__file__).parents[2] / "docs/examples"
EXAMPLES = [*FOLDER.glob("serving/*.yaml"), *FOLDER.glob("vllm/*.yaml")]

MINIMAL = {"rules": [{"output": {"schema": "user"}}]}


def test_the_shipped_schema_is_the_models() -> None:
    """Written anew by: python -m llm_integrations.serving.config_schema."""
    from llm_integrations.serving.config_schema import config_schema

    assert config_schema() == SCHEMA


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_right_by_schema_and_model(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text()))
    load_config(path)


def test_there_are_examples() -> None:
    assert EXAMPLES


def test_the_defaults_are_input_enforce_and_output_warn() -> None:
    config = load_config({"rules": [{"input": {"checks": [{"schema": "a"}]}, "output": {}}]})
    (rule,) = config.rules
    assert rule.input is not None
    assert rule.output is not None
    assert (rule.input.mode, rule.output.mode) == ("enforce", "warn")
    assert rule.output.retries == 0
    assert config.routes is False
    assert config.auth == "auto"


def test_the_file_has_every_option_of_judging_but_that_of_tables() -> None:
    section = ValidationConfig()
    assert section.options() == ValidationOptions()
    options = {field.name for field in dataclasses.fields(ValidationOptions)}
    assert options - type(section).model_fields.keys() == {"nulls"}


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "serving.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    assert load_config() == MiddlewareConfig.model_validate(MINIMAL)


def test_without_it_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=f"set {CONFIG_VARIABLE} to the path"):
        load_config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [", "is not YAML"),
        ("rules: !!bool foo", "is not YAML: .*!!bool"),
        ("rules: " + "[" * 100_000, "is not YAML: it is nested too deeply"),
        (
            "a: &a ["
            + "x, " * 9
            + "]\n"
            + "".join(
                f"{c}: &{c} [{f'*{p}, ' * 99}]\n" for p, c in zip("abcdef", "bcdefg", strict=True)
            ),
            "too large a document",
        ),
        ("", "valid dictionary"),
        ("rules: []", "at least 1 item"),
        ("rules: [{}]", "a rule needs input, output or fill_tools"),
        ("rules: [{output: {schema: 'a@b'}}]", "rules.0.output.schema: .*'b' is not a version"),
        ("rules: [{output: {shema: a}}]", "rules.0.output.shema: Extra inputs are not permitted"),
        ("rules: [{output: {mode: block}}]", "rules.0.output.mode: Input should be 'enforce'"),
        ("rules: [{output: {retries: 2}}]", "rules.0.output.retries"),
        ("rules: [{input: {checks: [{of: body}]}}]", "a check needs a schema or named_by"),
        ("rules: [{input: {checks: [{of: text, schema: a}]}}]", "rules.0.input.checks.0.of"),
        ("rules: [{paths: [v1], output: {}}]", "rules.0.paths.0"),
        ("rules: [{output: {named_by: {allow: [a]}}}]", "named_by needs a header or a field"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "serving.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_what_is_the_same_for_several_rules_can_be_merged_in(tmp_path: Path) -> None:
    path = tmp_path / "vllm.yaml"
    path.write_text(
        "rules:\n- input: &common {checks: [{of: body, schema: a}], mode: off}\n"
        "- input: {<<: *common, mode: warn}\n"
    )
    one, two = (rule.input for rule in load_config(path).rules)
    assert one is not None
    assert two is not None
    assert one.checks == two.checks
    assert (one.mode, two.mode) == ("off", "warn")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*No such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ({"bearer_env": "A", "api_key_env": "B"}, "give only one of bearer_env, api_key_env"),
        ({"username": "me"}, "username and password_env belong together"),
    ],
)
def test_credentials_have_to_make_sense(registry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_config({**MINIMAL, "registry": registry})


class TestTheRegistry:
    def opened(self, registry: Any) -> Any:
        return load_config({**MINIMAL, "registry": registry}).open_registry()

    def test_is_a_url_or_the_environments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.opened("memory://").url.startswith("memory://")
        monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", "http://127.0.0.1:9")
        assert self.opened(None).url == "http://127.0.0.1:9"

    def test_secrets_come_from_the_variables_that_are_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = {"url": "http://127.0.0.1:9", "bearer_env": "SOME_TOKEN"}
        with pytest.raises(ConfigurationError, match="SOME_TOKEN is not set"):
            self.opened(registry)
        monkeypatch.setenv("SOME_TOKEN", "hush")
        assert "hush" not in repr(self.opened(registry))

    @pytest.mark.parametrize(
        "auth", [{"api_key_env": "SECRET"}, {"username": "me", "password_env": "SECRET"}]
    )
    def test_other_credentials_and_tls(
        self, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET", "hush")
        opened = self.opened({"url": "https://127.0.0.1:9", "ca": "ca.pem", **auth})
        assert opened.url == "https://127.0.0.1:9"

    def test_how_long_copies_serve_and_the_password_of_a_key(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET", "hush")
        times = {"ttl": 1, "stale_ttl": 2, "stale_while_revalidate": 3, "refresh_wait": 4}
        tls = {"cert": "cert.pem", "key": "key.pem", "key_password_env": "SECRET"}
        settings = self.opened({"url": "https://127.0.0.1:9", **times, **tls}).settings
        assert {name: getattr(settings.cache, name) for name in times} == times
        assert settings.tls == TLSOptions(None, "cert.pem", "key.pem", "hush")
        assert "hush" not in repr(settings)
