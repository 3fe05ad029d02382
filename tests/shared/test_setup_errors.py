"""Wrong set-ups are told in one sentence: what, where, and what to do."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.config import (
    ApiKeyAuth,
    BasicAuth,
    BearerAuth,
    BreakerOptions,
    CacheOptions,
    RetryOptions,
    TLSOptions,
    ValidationOptions,
)
from llm_integrations.core.drift import Profile
from llm_integrations.core.errors import (
    ConfigurationError,
    LLMIntegrationsError,
    QuarantineError,
    RegistryUnavailable,
)
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.registry import connect
from llm_integrations.core.registry.environment import unknown_variables
from llm_integrations.core.validation import compile_validator
from tests.support.certificates import make_certificates
from tests.support.confluent_server import ConfluentServer
from tests.support.kafka import free_port

ONCE = RetryOptions(attempts=1)


@pytest.mark.parametrize(
    "url", ["localhost:8081", "example.com:443/base", "127.0.0.1:8081", "[::1]:8081"]
)
def test_a_host_without_a_scheme_is_no_folder(url: str) -> None:
    with pytest.raises(ConfigurationError, match="has no scheme") as error:
        connect(url)
    assert f"http://{url}" in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cache": 60}, r"cache must be CacheOptions\(…\)"),
        ({"retry": 3}, r"retry must be RetryOptions\(…\)"),
        ({"breaker": {}}, r"breaker must be BreakerOptions\(…\)"),
        ({"validation": "strict"}, "validation must be ValidationOptions"),
        ({"timeout": "5"}, "timeout must be a number of seconds"),
        ({"timeout": True}, "timeout must be a number of seconds"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds"),
        ({"auth": ("u", "SECRET")}, "auth must be one of BasicAuth, .*not tuple"),
        ({"auth": "SECRET"}, "auth must be one of"),
        ({"tls": "ca.pem"}, r"tls must be TLSOptions\(…\)"),
        ({"headers": "SECRET"}, "headers must be a dict"),
        ({"bus": 5}, "bus must be an EventBus"),
        ({"limits": 5}, r"limits must be Limits\(…\)"),
        ({"allow_insecure": "yes"}, "allow_insecure must be True or False"),
    ],
    ids=str,
)
def test_an_option_of_another_kind_says_how_it_is_written(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as error:
        connect("https://registry.example.com", **options)
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (CacheOptions, {"ttl": "60"}),
        (CacheOptions, {"maxsize": 1.5}),
        (RetryOptions, {"attempts": True}),
        (BreakerOptions, {"reset_timeout": None}),
        (ValidationOptions, {"max_depth": "5"}),
        (ValidationOptions, {"formats": "yes"}),
        (TLSOptions, {"ca": 5}),
        (TLSOptions, {"password": 7123}),
        (BasicAuth, {"username": "u", "password": 7123}),
        (BearerAuth, {"token": 7123}),
        (ApiKeyAuth, {"key": 7123}),
    ],
    ids=str,
)
def test_a_part_of_an_option_is_named(kind: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        kind(**arguments)
    assert f"{kind.__name__}.{[*arguments][-1]}" in str(error.value)
    assert "7123" not in str(error.value)


@pytest.mark.parametrize("url", [5, object, {"url": "x"}])
def test_a_url_of_another_kind_is_named(url: Any) -> None:
    with pytest.raises(ConfigurationError, match="a registry's URL is text"):
        connect(url)


def test_a_connection_that_does_not_come_about_says_why(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    with ConfluentServer(context=context) as secure, ConfluentServer() as plain:
        for url, words in {
            f"http://127.0.0.1:{free_port()}": "nothing listens on that port",
            "http://no-such-host.invalid": "name is not known",
            secure.url: r"not trusted: name its CA by TLSOptions\(ca=…\)",
            secure.url.replace("https:", "http:"): "does this port speak https",
            plain.url.replace("http:", "https:"): "does not speak TLS: write http://",
        }.items():
            with (
                connect(url, retry=ONCE) as registry,
                pytest.raises(RegistryUnavailable, match=words),
            ):
                registry.subjects()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LLM_INTEGRATIONS_REGISTRY", "REGISTRY_URL"),
        ("LLM_INTEGRATION_REGISTRY_URL", "REGISTRY_URL"),
        ("LLM_INTEGRATIONS_REGISTRY_URI", "REGISTRY_URL"),
        ("llm_integrations_registry_url", "REGISTRY_URL"),
        ("LLM_INTEGRATION_REGISTRY", "REGISTRY_URL"),
        ("LLM_INTEGRATIONS_URL", "REGISTRY_URL"),
        ("LLM_INTEGRATIONS_SCHEMA_REGISTRY_URL", "REGISTRY_URL"),
        ("LLM_INTEGRATIONS_REGISTRY_USER", "REGISTRY_"),
    ],
)
def test_a_near_miss_in_the_environment_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    for known in [key for key in os.environ if key.startswith("LLM_INTEGRATIONS_")]:
        monkeypatch.delenv(known)
    monkeypatch.setenv(name, "SECRET")
    with pytest.raises(ConfigurationError) as error:
        connect()
    assert f"{name} is set and not read: LLM_INTEGRATIONS_{meant}" in str(error.value)
    assert "SECRET" not in str(error.value)


def test_a_variable_of_others_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "REGISTRY_URL", "SCHEMA_REGISTRY_URL"):
        monkeypatch.setenv(name, "http://example.com")
    assert not any("URL is set" in line for line in unknown_variables())


def test_a_quarantine_that_cannot_be_written_names_its_folder(tmp_path: Path) -> None:
    report = compile_validator({"type": "object"}).validate(5)
    record = QuarantinedRecord.of(5, report)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/no-such-place")):
        with pytest.raises(QuarantineError, match="cannot be written") as error:
            Quarantine(place).add([record])
        assert str(place) in str(error.value)


def test_a_quarantine_without_room_is_our_error_and_keeps_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validator = compile_validator({"type": "object"})
    quarantine = Quarantine(tmp_path / "bad")
    quarantine.add([QuarantinedRecord.of(5, validator.validate(5))])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(QuarantineError, match="No space left on device"):
        quarantine.add([QuarantinedRecord.of(6, validator.validate(6))])
    assert [record.value for record in quarantine.records()] == [5]


BODY = {"type": "object"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"metadata": "team-a"}, "metadata must be a dict, as .*, not str"),
        ({"metadata": ["owner"]}, "metadata must be a dict"),
        ({"references": "address"}, r"references must be a list, as \[SchemaReference"),
        ({"references": {"a.json": "address"}}, "references must be a list"),
        ({"references": 5}, "references must be a list"),
    ],
    ids=str,
)
def test_an_argument_of_register_says_how_it_is_written(
    arguments: dict[str, Any], words: str
) -> None:
    with connect("memory://") as registry, pytest.raises(ConfigurationError, match=words):
        registry.register("user", BODY, **arguments)


def test_other_arguments_of_a_registry_say_how_they_are_written() -> None:
    wrong: Any = "user@1"
    with connect("memory://") as registry:
        registry.register("user", BODY)
        with pytest.raises(ConfigurationError, match=r"schema must be what get\(…\) gives"):
            registry.validator_for(wrong)
        with pytest.raises(ConfigurationError, match="metadata must be a dict"):
            registry.latest_with_metadata("user", wrong)
        with pytest.raises(ConfigurationError, match=r"subjects must be a list, as \['user@1'\]"):
            registry.latest(wrong)
        others: list[Any] = [wrong, {"subject": "user"}, [5], 5]
        for not_one in others:
            with pytest.raises(ConfigurationError, match="an event must be a SchemaEvent"):
                registry.apply_event(not_one)
            with pytest.raises(ConfigurationError, match="must be a"):
                registry.follow(not_one)
        for options in (5, {"nulls": "absent"}):
            wrong = options
            with pytest.raises(ConfigurationError, match="options must be ValidationOptions"):
                registry.validator("user", options=wrong)
    nothing: Any = None
    with pytest.raises(ConfigurationError, match="timeout must be a number of seconds"):
        connect("memory://", timeout=nothing)


@pytest.mark.parametrize("kind", [BearerAuth, ApiKeyAuth])
@pytest.mark.parametrize("text", ["", " \n"], ids=["empty", "blank"])
def test_an_empty_secret_is_an_unset_variable(kind: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match="is empty: is the variable set"):
        kind(text)


def command(*arguments: object) -> str:
    """What a command that fails says."""
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(ran.exception, LLMIntegrationsError), ran.output
    return str(ran.exception)


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path) -> None:
    schema = tmp_path / "user.json"
    schema.write_text('{"type": "object"}')
    (tmp_path / "rows").mkdir()
    for arguments in (
        ("init", schema),
        ("list", "-r", schema),
        ("check", "user@1", schema, "-r", schema),
    ):
        assert command(*arguments).endswith("it is a file, where a folder is meant")
    assert "it is a folder, where a file is meant" in command(
        "check", "--schema", schema, tmp_path / "rows"
    )
    assert command("quarantine", "show", schema).endswith("it is a file")


@pytest.mark.parametrize(
    "arguments",
    [
        ("init", "http://registry.example"),
        ("init", "memory://"),
        ("quarantine", "show", "s3://bucket/bad"),
        ("models", "--out", "s3://bucket/models", "-r", "memory://"),
        ("infer", "rows.jsonl", "-o", "https://u:SECRET@example.com/a.json"),
        ("drift", "rows.csv", "row@1", "--report", "gs://bucket/drift", "-r", "memory://"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_url_is_no_folder_of_this_machine(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command(*arguments)
    assert "is no folder" in said or "folder of this machine, not" in said
    assert "SECRET" not in said
    assert list(tmp_path.iterdir()) == []


def test_what_keeps_a_url_from_being_read_is_said(tmp_path: Path) -> None:
    schema = tmp_path / "user.json"
    schema.write_text('{"type": "object"}')
    for url, words in (
        (f"http://localhost:{free_port()}/rows.jsonl", "nothing listens on that port"),
        ("http://nowhere.invalid/rows.csv", "its host's name is not known"),
        ("foo://bucket/rows.csv", "'foo' is no scheme of a storage"),
        ("zip::foo://bucket/rows.csv", "'foo' is no scheme of a storage"),
    ):
        assert words in command("check", "--schema", schema, url)


def test_a_profile_that_is_none_is_named(tmp_path: Path) -> None:
    other = tmp_path / "user.json"
    other.write_text('{"type": "object"}')
    with pytest.raises(ConfigurationError, match=r"user\.json: this is no profile"):
        Profile.read(other)


def test_a_new_subject_that_is_like_another_one_is_questioned(tmp_path: Path) -> None:
    schema = tmp_path / "user.json"
    schema.write_text('{"type": "object"}')
    folder = tmp_path / "schemas"
    with connect(folder) as registry:
        registry.register("user-profile", BODY)
    for more in ((), ("--json",), ("--level", "NONE")):
        said = command("compat", "user-profil", schema, "-r", folder, *more)
        assert "is 'user-profile' meant?" in said
        assert "--new if it is to be a new subject" in said
    assert "there is no folder" in command("compat", "u", schema, "-r", tmp_path / "x", "--json")
    new = ["compat", "user-profil", str(schema), "-r", str(folder), "--new"]
    assert CliRunner().invoke(app, new).exit_code == 0


def test_data_where_a_schema_is_meant_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    for text, noticed in (
        ('{"name": "Ada", "age": 36}', True),
        ('{"propertis": {}}', True),
        ('{"type": "object"}', False),
        ('{"$ref": "#/$defs/a", "$defs": {"a": {}}}', False),
        ('{"title": "anything"}', False),
        ("{}", False),
        ("true", False),
    ):
        file = tmp_path / "given.json"
        file.write_text(text)
        ran = CliRunner().invoke(
            app, ["register", f"s{len(text)}", str(file), "-r", str(folder), "--compatibility=NONE"]
        )
        assert ran.exit_code == 0, ran.output
        assert ("one of JSON Schema" in ran.stderr) is noticed


def test_inferring_says_which_lines_it_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": 1}\n\n{bad\n[1]\n')
    ran = CliRunner().invoke(app, ["infer", str(tmp_path)])
    assert json.loads(ran.stdout)["properties"] == {"a": {"type": "integer"}}
    assert "lines left out, as they hold no JSON object: 2" in caplog.text


def test_rows_in_memory_are_pointed_to_what_holds_them() -> None:
    from llm_integrations.datasets import validate_dataset

    rows: Any
    for rows, words in ((([{"a": 1}]), "Dataset.from_list"), ({"a": [1]}, "Dataset.from_dict")):
        with pytest.raises(ConfigurationError, match=words):
            validate_dataset(rows, "row@1", registry="memory://")
    unique: Any = 5
    with pytest.raises(ConfigurationError, match="unique takes names of columns"):
        validate_dataset("rows.jsonl", BODY, unique=unique)
