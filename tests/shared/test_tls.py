"""Client certificates, and keys that are encrypted: nobody is asked for a password."""

from __future__ import annotations

import os
import pty
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import ConfigurationError, RegistryUnavailable
from llm_integrations.core.events import connect_bus
from llm_integrations.core.registry import connect
from llm_integrations.core.tls import tls_context
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher
from tests.support.certificates import Certificates, make_certificates
from tests.support.confluent_server import ConfluentServer

PASSWORD = "of the key"


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    """The key encrypted."""
    made = make_certificates(tmp_path, "localhost")
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    return replace(made, key=encrypted)


def options(files: Certificates, password: str | None = None) -> TLSOptions:
    return TLSOptions(str(files.ca), str(files.cert), str(files.key), password)


def test_a_server_that_asks_for_a_certificate_gets_it_by_the_password(
    files: Certificates,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key, PASSWORD)
    context.load_verify_locations(files.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    with (
        ConfluentServer(context=context) as server,
        connect(server.url, tls=options(files, PASSWORD)) as registry,
    ):
        assert registry.subjects() == []


async def _registry(tls: TLSOptions, _: Path) -> None:
    with connect("https://127.0.0.1:1", tls=tls) as registry:
        await registry.aio.subjects()


async def _kafka(tls: TLSOptions, _: Path) -> None:
    await connect_bus("kafka://127.0.0.1:1/t", tls=tls).close()


async def _rabbitmq(tls: TLSOptions, _: Path) -> None:
    await connect_bus("amqps://127.0.0.1:1/", tls=tls).close()


async def _webhooks(tls: TLSOptions, folder: Path) -> None:
    config = WebhookConfig("https://h.example/", tls=tls)
    async with WebhookDispatcher([config], folder / "outbox.db"):
        pass


@pytest.mark.parametrize("use", [_registry, _kafka, _rabbitmq, _webhooks])
@pytest.mark.parametrize("password", [None, "another"])
async def test_without_its_password_a_key_is_a_configuration_error(
    files: Certificates, tmp_path: Path, use: object, password: str | None
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await use(options(files, password), tmp_path)  # type: ignore[operator]
    text = str(caught.value)
    assert ("give its password=" in text) is (password is None)
    assert str(files.key) in text
    assert "another" not in text


def test_a_password_for_a_key_that_is_not_encrypted_is_not_used(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "localhost")
    assert tls_context(options(files, PASSWORD), "it")
    assert PASSWORD not in repr(options(files, PASSWORD))


def test_nothing_is_asked_on_the_terminal(files: Certificates) -> None:
    """A process with a terminal, where OpenSSL would ask and wait."""
    script = (
        "import sys; from llm_integrations.core.config import TLSOptions; "
        "from llm_integrations.core.registry import connect; "
        "connect('https://127.0.0.1:1', tls=TLSOptions(*sys.argv[1:])).subjects()"
    )
    terminal, theirs = pty.openpty()
    arguments = [str(files.ca), str(files.cert), str(files.key)]
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", sys.executable, "-c", script, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    try:
        while b"password=" not in said and b"pass phrase" not in said:
            said += os.read(terminal, 4096)
    except OSError:  # the process has ended
        pass
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert b"pass phrase" not in said
    assert b"ConfigurationError" in said


def test_the_certificates_that_the_environment_names_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_certificates(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    with ConfluentServer(context=context) as server:
        with connect(server.url) as stranger, pytest.raises(RegistryUnavailable, match="--ca"):
            stranger.subjects()
        monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
        with connect(server.url) as registry:
            assert registry.subjects() == []


@pytest.mark.parametrize(
    ("days", "host", "words"),
    [
        (-3, "127.0.0.1", "shows a certificate that has expired"),
        (3, "127.0.0.1", "shows a certificate that is not valid yet: is this machine's clock"),
        (0, "localhost", "shows a certificate for another host: connect by a name that it bears"),
    ],
)
def test_a_certificate_that_is_not_good_is_told_apart_from_one_of_an_unknown_authority(
    tmp_path: Path, days: int, host: str, words: str
) -> None:
    made = make_certificates(tmp_path, "registry.example", days=days)
    with (
        ConfluentServer(context=made.server_context()) as server,
        connect(server.url.replace("127.0.0.1", host), tls=TLSOptions(str(made.ca))) as registry,
        pytest.raises(RegistryUnavailable, match=words),
    ):
        registry.subjects()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_for_a_certificate_says_so(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    made = make_certificates(tmp_path, "localhost")
    context = made.server_context()
    context.load_verify_locations(made.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    with (
        ConfluentServer(context=context) as server,
        connect(server.url, tls=TLSOptions(str(made.ca))) as registry,
        pytest.raises(RegistryUnavailable, match=r"asks? for a certificate of ours"),
    ):
        registry.subjects()


def test_files_that_do_not_go_together_are_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    made, other = make_certificates(tmp_path), make_certificates(tmp_path / "other")
    ca, cert, key = str(made.ca), str(made.cert), str(made.key)
    for wrong, words in (
        (TLSOptions(ca, cert, str(other.key)), "the key is not that of the certificate"),
        (TLSOptions(ca, cert), "cert holds no key: name the key's file"),
        (TLSOptions(key), "ca holds no certificate"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            tls_context(wrong, "the registry")
