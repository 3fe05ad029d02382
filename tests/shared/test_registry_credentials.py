"""Tokens, headers, proxies and TLS: how a registry that people have is reached."""

from __future__ import annotations

import asyncio
import base64
import pickle
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.config import (
    Auth,
    BasicAuth,
    BearerAuth,
    OAuthClientCredentials,
    RetryOptions,
    TLSOptions,
)
from llm_integrations.core.errors import (
    ConfigurationError,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.registry import Registry, connect, resolve_registry
from llm_integrations.core.registry.http import oauth
from llm_integrations.core.registry.http.oauth import Token, Tokens
from llm_integrations.core.webhooks import WebhookConfig
from tests.support.certificates import Certificates, make_certificates
from tests.support.confluent_server import ConfluentServer
from tests.support.http_server import Fault, HttpServer, Reply, Request

SECRET = "s3cret-of-the-client"
ONCE = RetryOptions(attempts=1)
PREFIX = "LLM_INTEGRATIONS_REGISTRY_"
INSECURE = "http://registry.example.com"


class TokenServer(HttpServer):
    """Gives tokens, one after the other, to whom knows the secret."""

    def __init__(self, **answer: Any) -> None:
        super().__init__()
        self.answer = answer
        self.given = 0

    def handle(self, request: Request) -> Reply:
        known = base64.b64encode(f"client:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return Reply(401, {"error": "invalid_client", "error_description": SECRET})
        self.given += 1
        token = f"token-{self.given}"
        return Reply(200, {"access_token": token, "token_type": "Bearer", **self.answer})


class Guarded(ConfluentServer):
    """A registry that takes some tokens."""

    def __init__(self, *tokens: str) -> None:
        super().__init__(flavour="confluent")
        self.tokens = set(tokens)
        self.is_open = False
        self.add("s", {"type": "object"})

    def _rights(self, request: Request) -> str:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        self._token = sent if sent in self.tokens else "another one"
        return "rw" if self.is_open else super()._rights(request)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "URL",
        "API_KEY",
        "USERNAME",
        "PASSWORD",
        "TOKEN",
        "CA",
        "CERT",
        "KEY",
        "KEY_PASSWORD",
        "PROXY",
    ):
        monkeypatch.delenv(PREFIX + name, raising=False)


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer(expires_in=3600) as running:
        yield running


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with Guarded("token-1", "token-2") as running:
        yield running


def _auth(server: TokenServer, **more: Any) -> OAuthClientCredentials:
    return OAuthClientCredentials(f"{server.url}/oauth2/token", "client", SECRET, **more)


# -- tokens ----------


def test_a_token_is_fetched_once_and_sent_with_what_confluent_cloud_wants(
    tokens: TokenServer, guarded: Guarded
) -> None:
    auth = _auth(tokens, scope="read write", identity_pool="pool-1", logical_cluster="lsrc-1")
    with connect(guarded.url, auth=auth) as registry:
        assert registry.get("s@1").id == 1
        assert registry.subjects() == ["s"]
    (asked,) = tokens.requests
    assert (asked.method, asked.target) == ("POST", "/oauth2/token")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    form = {"grant_type": ["client_credentials"], "scope": ["read write"]}
    assert parse_qs(asked.body.decode()) == form
    for request in guarded.requests:
        assert request.headers["authorization"] == "Bearer token-1"
        assert request.headers["target-sr-cluster"] == "lsrc-1"
        assert request.headers["confluent-identity-pool-id"] == "pool-1"


def test_many_callers_share_one_request_for_a_token(tokens: TokenServer, guarded: Guarded) -> None:
    for number in range(20):
        guarded.add(f"s{number}", {"type": "object"})
    tokens.fail(Fault(delay=0.05))
    with connect(guarded.url, auth=_auth(tokens)) as registry, ThreadPoolExecutor(20) as pool:
        found = list(pool.map(registry.get, (f"s{number}@1" for number in range(20))))
    assert len(found) == 20
    assert len(tokens.requests) == 1


def test_a_token_that_was_revoked_is_replaced_at_once(
    tokens: TokenServer, guarded: Guarded
) -> None:
    with connect(guarded.url, auth=_auth(tokens), retry=ONCE) as registry:
        registry.subjects()
        guarded.tokens = {"token-2"}
        assert registry.subjects() == ["s"]
        assert registry.subjects() == ["s"]
        guarded.tokens = {"none of them"}
        with pytest.raises(RegistryAuthError, match="401"):
            registry.subjects()
    assert len(tokens.requests) == 3


def test_a_token_endpoint_keeps_its_query(tokens: TokenServer, guarded: Guarded) -> None:
    auth = OAuthClientCredentials(f"{tokens.url}/token?p=b2c+x", "client", SECRET)
    with connect(guarded.url, auth=auth) as registry:
        registry.subjects()
    assert tokens.requests[0].query == {"p": "b2c x"}


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (Reply(400, {"error": "invalid_scope"}), RegistryAuthError, "400 invalid_scope"),
        (Reply(401, b""), RegistryAuthError, "answered 401"),
        (Reply(404, b"<html>"), RegistryAuthError, "answered 404"),
        (Reply(302, b""), RegistryProtocolError, "instead of a token"),
        (Reply(503, b""), RegistryUnavailable, "503"),
        (Reply(200, b"<html>"), RegistryProtocolError, "HTML"),
        (Reply(200, {"access_token": 5}), RegistryProtocolError, "no bearer token"),
        (Reply(200, {"access_token": "a\nb"}), RegistryProtocolError, "no bearer token"),
        (Reply(200, {"access_token": "x", "token_type": "mac"}), RegistryProtocolError, "bearer"),
        (Reply(200, []), RegistryProtocolError, "no bearer token"),
    ],
)
def test_a_token_server_that_gives_none_is_a_clear_error(
    tokens: TokenServer, guarded: Guarded, reply: Reply, error: type[Exception], told: str
) -> None:
    tokens.fail(Fault(reply=reply))
    with (
        connect(guarded.url, auth=_auth(tokens), retry=ONCE) as registry,
        pytest.raises(error, match=told) as raised,
    ):
        registry.subjects()
    assert SECRET not in str(raised.value)
    assert guarded.requests == []


def test_wrong_credentials_are_named_without_being_quoted(
    tokens: TokenServer, guarded: Guarded
) -> None:
    auth = OAuthClientCredentials(f"{tokens.url}/t", "client", "wr0ng")
    with (
        connect(guarded.url, auth=auth) as registry,
        pytest.raises(RegistryAuthError, match="401 invalid_client") as raised,
    ):
        registry.subjects()
    assert SECRET not in str(raised.value)
    assert "wr0ng" not in repr(auth)
    assert "wr0ng" not in repr(registry.settings)
    assert pickle.loads(pickle.dumps(registry)).settings.auth == auth


@pytest.mark.parametrize(
    "changes",
    [
        {"token_url": "ftp://x/token"},
        {"token_url": "https://user:12/SECRET@x/token"},
        {"token_url": "https://[x/token"},
        {"token_url": ""},
        {"client_id": " "},
        {"client_secret": ""},
        {"client_id": "a:b"},
        {"client_secret": "SECRET\udcff"},  # as the environment has what is no UTF-8
        {"token_url": "http://token.example.com/t"},  # the secret would cross a network in clear
    ],
)
def test_credentials_that_make_no_sense_are_refused_at_once(changes: dict[str, str]) -> None:
    given = {"token_url": "https://x/t", "client_id": "c", "client_secret": "SECRET", **changes}
    with pytest.raises(ConfigurationError) as refused:
        connect("https://registry.example.com", auth=OAuthClientCredentials(**given))
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("place", ["user:SECRET@x/t", "user:12/SECRET@x/t", "user:12#SECRET@x/t"])
def test_a_token_url_with_a_password_is_refused_before_anything_can_show_it(place: str) -> None:
    with pytest.raises(ConfigurationError, match="token_url") as refused:
        OAuthClientCredentials(f"https://{place}", "c", "secret")
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("given", [("\udcff", "SECRET"), ("user", "SECRET\ud800")])
def test_a_password_that_is_no_unicode_is_refused_and_in_no_frame(given: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="valid Unicode") as refused:
        connect("https://registry.example.com", auth=BasicAuth(*given))
    assert refused.value.__context__ is None
    assert "SECRET" not in str(refused.value)


def test_webhooks_take_no_client_credentials() -> None:
    auth = OAuthClientCredentials("https://x/t", "c", "s")
    with pytest.raises(ConfigurationError, match="for registries"):
        WebhookConfig("https://a.example/", auth=auth)


class Clock:
    """Stands for time.monotonic in the module under test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(oauth, "time", SimpleNamespace(monotonic=lambda: self.now))


class Source:
    """Gives tokens that hold for 100 s, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def __call__(self) -> Token:
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return Token({"Authorization": f"Bearer {number}"}, 100.0)


async def _sent(tokens: Tokens) -> str:
    return (await tokens.headers())["Authorization"]


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_token_is_renewed_before_it_expires_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, source = Clock(monkeypatch), Source()
    tokens = Tokens(source)
    assert await _sent(tokens) == "Bearer 1"
    clock.now += 79
    assert await _sent(tokens) == "Bearer 1"
    assert source.asked == 1
    source.open.clear()
    clock.now += 2
    assert [await _sent(tokens) for _ in range(10)] == ["Bearer 1"] * 10
    await _settled()
    assert source.asked == 2
    source.open.set()
    await _settled()
    assert await _sent(tokens) == "Bearer 2"
    await tokens.close()


async def test_an_expired_token_is_waited_for_by_all_and_a_cancelled_caller_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, source = Clock(monkeypatch), Source()
    tokens = Tokens(source)
    await _sent(tokens)
    clock.now += 101
    source.open.clear()
    waiting = [asyncio.ensure_future(_sent(tokens)) for _ in range(5)]
    await _settled()
    waiting[0].cancel()
    source.open.set()
    assert await asyncio.gather(*waiting[1:]) == ["Bearer 2"] * 4
    assert source.asked == 2


async def test_a_renewal_that_fails_leaves_the_token_in_force_and_pauses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, source = Clock(monkeypatch), Source()
    tokens = Tokens(source)
    await _sent(tokens)
    source.failure = RegistryUnavailable("the token server is away")
    clock.now += 81
    for _ in range(10):
        assert await _sent(tokens) == "Bearer 1"
        await _settled()
    assert source.asked == 2
    assert "goes on being used" in caplog.text
    clock.now += 6
    await _sent(tokens)
    await _settled()
    assert source.asked == 3
    clock.now += 20
    with pytest.raises(RegistryUnavailable):
        await _sent(tokens)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (3600, 3600),
        ("60", 60),
        (None, 300),
        ("soon", 300),
        (-5, 300),
        (10**400, 300),
        (1e12, 86400),
    ],
)
def test_how_long_a_token_holds(said: Any, seconds: float) -> None:
    assert oauth._lifetime(said) == seconds


# -- headers and proxies ----------


def test_headers_are_sent_with_each_request_and_shown_nowhere(guarded: Guarded) -> None:
    headers = {"X-Gateway-Key": "SECRET", "X-Tenant": "a"}
    with connect(guarded.url, auth=BearerAuth("token-1"), headers=headers) as registry:
        registry.get("s@1")
        assert "SECRET" not in repr(registry.settings)
    sent = guarded.requests[0].headers
    assert (sent["x-gateway-key"], sent["x-tenant"]) == ("SECRET", "a")
    assert sent["authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "SECRET"},
        {"content-type": "SECRET"},
        {"Accept": "SECRET"},
        {"X Y": "SECRET"},
        {"": "SECRET"},
        {"X-A": "SECRET\r\nX-B: c"},
        {"X-A": "SECRET\u2603"},
        {"X-A": 5},
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connect("https://registry.example.com", headers=headers)
    assert "SECRET" not in str(refused.value)


def test_a_header_can_be_a_credential() -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        connect(INSECURE, headers={"X-Gateway-Key": "k"})
    with pytest.raises(ConfigurationError, match="besides"):
        connect("https://x", auth=BearerAuth("t"), headers={"authorization": "Bearer u"})
    connect(INSECURE, headers={"X-Tenant": "a"}).close()
    connect(INSECURE, headers={"X-Gateway-Key": "k"}, allow_insecure=True).close()


class Proxy(HttpServer):
    """Passes requests with absolute targets on to one server."""

    def __init__(self, behind: HttpServer) -> None:
        super().__init__()
        self._behind = behind

    def handle(self, request: Request) -> Reply:
        if not request.target.startswith("http://registry.internal/"):
            return Reply(400, b"no proxy request")
        path = request.target.removeprefix("http://registry.internal")
        passed = Request(request.method, path, request.headers, request.body)
        return self._behind.handle(passed)


def test_requests_go_through_a_proxy_with_its_credentials(guarded: Guarded) -> None:
    with Proxy(guarded) as proxy:
        url = proxy.url.replace("//", "//me:SECRET@")
        with connect("http://registry.internal", proxy=url) as registry:
            guarded.is_open = True
            assert registry.subjects() == ["s"]
            assert "SECRET" not in repr(registry.settings)
        (request,) = proxy.requests
        assert request.headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_that_is_away_is_a_registry_that_is_away() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy = f"http://me:SECRET@127.0.0.1:{taken.getsockname()[1]}"
        with (
            connect("http://registry.internal", proxy=proxy, retry=ONCE) as registry,
            pytest.raises(RegistryUnavailable) as raised,
        ):
            registry.subjects()
    assert "SECRET" not in str(raised.value)
    assert "through the proxy: nothing listens on that port" in str(raised.value)


@pytest.mark.parametrize(
    "proxy",
    ["SECRET", "socks5://SECRET@h:1", "http://me:12/SECRET@h", "http://h/SECRET", "http://h?SECRET",
     "http://[SECRET", "http://", 5],
)  # fmt: skip
def test_what_is_no_proxy_is_refused(proxy: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connect("https://registry.example.com", proxy=proxy)
    assert "SECRET" not in str(refused.value)


def test_this_machine_behind_a_proxy_is_not_this_machine() -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        connect(
            "http://localhost:8081", auth=BasicAuth("u", "p"), proxy="http://proxy.example:3128"
        )


# -- environment and command line ----------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "127.0.0.1", "localhost")


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[ConfluentServer]:
    with ConfluentServer(context=certificates.server_context()) as running:
        running.add("s", {"type": "object"})
        yield running


def _set(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)


def test_the_environment_says_which_ca_to_trust(
    monkeypatch: pytest.MonkeyPatch, secure: ConfluentServer, certificates: Certificates
) -> None:
    _set(monkeypatch, URL=secure.url, CA=str(certificates.ca))
    for registry in (connect(), resolve_registry(None), connect(f"{secure.url}/")):
        with registry:
            assert registry.subjects() == ["s"]
    # Another origin does not get it, as it does not get credentials.
    other = secure.url.replace("127.0.0.1", "localhost")
    with connect(other, retry=ONCE) as registry, pytest.raises(RegistryUnavailable):
        registry.subjects()


def test_an_argument_comes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, secure: ConfluentServer, certificates: Certificates
) -> None:
    _set(monkeypatch, URL=secure.url, CA="/nowhere.pem")
    with connect(tls=TLSOptions(ca=str(certificates.ca))) as registry:
        assert registry.subjects() == ["s"]


@pytest.fixture
def mutual(certificates: Certificates) -> Iterator[tuple[ConfluentServer, Path]]:
    """A server that asks for a client's certificate, and the client's key, encrypted."""
    context = certificates.server_context()
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    key = serialization.load_pem_private_key(certificates.key.read_bytes(), None)
    encrypted = certificates.key.with_name("encrypted.pem")
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(SECRET.encode()),
        )
    )
    with ConfluentServer(context=context) as running:
        running.add("s", {"type": "object"})
        yield running, encrypted


def test_a_client_certificate_and_the_password_of_its_key_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    mutual: tuple[ConfluentServer, Path],
    certificates: Certificates,
) -> None:
    server, key = mutual
    _set(monkeypatch, URL=server.url, CA=str(certificates.ca), CERT=str(certificates.cert))
    _set(monkeypatch, KEY=str(key), KEY_PASSWORD=SECRET)
    with connect() as registry:
        assert registry.subjects() == ["s"]
        assert SECRET.encode() not in pickle.dumps(registry)
        assert SECRET not in repr(registry)
    # What an argument leaves open, the environment fills in.
    with connect(tls=TLSOptions(cert=str(certificates.cert), key=str(key))) as registry:
        assert registry.subjects() == ["s"]
    monkeypatch.setenv(f"{PREFIX}KEY_PASSWORD", "another")
    with connect(tls=TLSOptions(password=SECRET)) as registry:
        assert registry.subjects() == ["s"]
    with connect(retry=ONCE) as registry, pytest.raises(ConfigurationError) as refused:
        registry.subjects()
    assert "another" not in str(refused.value)


def test_commands_take_a_client_certificate(
    monkeypatch: pytest.MonkeyPatch,
    mutual: tuple[ConfluentServer, Path],
    certificates: Certificates,
) -> None:
    server, key = mutual
    where = ["-r", server.url, "--ca", str(certificates.ca), "--cert", str(certificates.cert)]
    assert '"s"' in _run("list", "--json", *where, "--key", str(certificates.key))[1]
    encrypted = [*where, "--key", str(key)]
    assert '"s"' in _run("list", "--json", *encrypted, "--key-password", SECRET)[1]
    code, said = _run("list", "--json", *encrypted)
    assert code != 0
    assert "is encrypted" in said
    _set(monkeypatch, URL=server.url, KEY_PASSWORD=SECRET)
    assert '"s"' in _run("list", "--json", *encrypted)[1]


@pytest.mark.parametrize("half", [{"KEY": "key.pem"}, {"KEY_PASSWORD": SECRET}])
def test_half_a_client_certificate_is_an_error(
    monkeypatch: pytest.MonkeyPatch, half: dict[str, str]
) -> None:
    _set(monkeypatch, URL="https://registry.example.com", **half)
    with pytest.raises(ConfigurationError, match="needs its certificate") as refused:
        connect()
    assert SECRET not in str(refused.value)
    connect("https://other.example.com").close()
    with pytest.raises(ConfigurationError, match="needs its certificate"):
        connect("https://other.example.com", tls=TLSOptions(key="key.pem"))


def test_the_environment_holds_client_credentials(
    monkeypatch: pytest.MonkeyPatch, tokens: TokenServer, guarded: Guarded
) -> None:
    _set(
        monkeypatch,
        URL=guarded.url,
        OAUTH_TOKEN_URL=f"{tokens.url}/t",
        OAUTH_CLIENT_ID="client",
        OAUTH_CLIENT_SECRET=SECRET,
        OAUTH_SCOPE="x",
        OAUTH_LOGICAL_CLUSTER="lsrc-1",
        OAUTH_IDENTITY_POOL="pool-1",
    )
    with connect() as registry:
        assert registry.subjects() == ["s"]
        assert SECRET.encode() not in pickle.dumps(registry)
    assert guarded.requests[0].headers["target-sr-cluster"] == "lsrc-1"
    monkeypatch.delenv(f"{PREFIX}OAUTH_CLIENT_SECRET")
    with pytest.raises(ConfigurationError, match="OAUTH_CLIENT_SECRET"):
        connect()


@pytest.mark.parametrize(("said", "allowed"), [("true", True), ("1", True), ("no", False)])
def test_the_environment_can_allow_what_is_insecure(
    monkeypatch: pytest.MonkeyPatch, said: str, allowed: bool
) -> None:
    auth: Auth = BasicAuth("u", "p")
    _set(monkeypatch, URL=INSECURE, ALLOW_INSECURE=said)
    if allowed:
        connect(auth=auth).close()
    else:
        with pytest.raises(ConfigurationError, match="unencrypted"):
            connect(auth=auth)
    with pytest.raises(ConfigurationError, match="unencrypted"):
        connect("http://other.example.com", auth=auth)
    monkeypatch.setenv(f"{PREFIX}ALLOW_INSECURE", "perhaps")
    with pytest.raises(ConfigurationError, match="ALLOW_INSECURE is true or false"):
        connect()


def test_the_environment_names_a_proxy(monkeypatch: pytest.MonkeyPatch, guarded: Guarded) -> None:
    guarded.is_open = True
    with Proxy(guarded) as proxy:
        _set(monkeypatch, URL="http://registry.internal", PROXY=proxy.url)
        with connect() as registry:
            assert registry.subjects() == ["s"]
        assert proxy.count() == 1


def _run(*command: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, command)
    said = result.output if result.exception is None else f"{result.output}{result.exception}"
    return result.exit_code, said


def test_commands_take_a_ca(
    secure: ConfluentServer, certificates: Certificates, tmp_path: Path
) -> None:
    where = ["-r", secure.url, "--ca", str(certificates.ca)]
    assert '"s"' in _run("list", "--json", *where)[1]
    assert _run("doctor", *where)[0] in (0, 1)
    assert "s@1" in _run("show", "s", *where)[1]
    lock = str(tmp_path / "pins.lock")
    assert "s@1" in _run("pin", "add", "task", "--case", "s@1", "--lock", lock, *where)[1]
    code, said = _run("show", "s", "-r", secure.url)
    assert code != 0
    assert "not trusted" in said


def test_commands_allow_what_is_insecure_and_take_a_proxy(guarded: Guarded) -> None:
    guarded.is_open = True
    with Proxy(guarded) as proxy:
        where = ["-r", "http://u:p@registry.internal", "--proxy", proxy.url]
        assert "unencrypted" in _run("list", *where)[1]
        assert '"s"' in _run("list", "--json", *where, "--allow-insecure")[1]


def test_threads_of_one_client_share_its_token(tokens: TokenServer, guarded: Guarded) -> None:
    registry: Registry = connect(guarded.url, auth=_auth(tokens))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(registry.subjects())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry.close()
    assert found == [["s"]] * 8
    assert len(tokens.requests) == 1
