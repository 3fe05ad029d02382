"""Wrong set-ups are told in one sentence: what, where, and what to do."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest

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
from llm_integrations.core.errors import (
    ConfigurationError,
    QuarantineError,
    RegistryUnavailable,
)
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.registry import connect
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
