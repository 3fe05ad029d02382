"""The HTTP client over a socket: however a registry fails, it ends in one of our errors."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import socket
import ssl
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.config import ApiKeyAuth, BasicAuth, BearerAuth, TLSOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    LLMIntegrationsError,
    RegistryAuthError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry.confluent.backend import ConfluentBackend
from llm_integrations.core.registry.http.client import HttpClient
from llm_integrations.core.registry.http.credentials import (
    auth_headers,
    redact_url,
    refuse_clear_text,
)
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    path,
    retry_after,
)
from tests.support.certificates import make_certificates
from tests.support.confluent_server import ConfluentServer
from tests.support.http_server import Fault, Reply

HTML = b"<!DOCTYPE html><html><body>please log in</body></html>"
S = SchemaRef("s")


@pytest.fixture
def server() -> Iterator[ConfluentServer]:
    with ConfluentServer() as running:
        running.add("s", {"type": "object"})
        yield running


@pytest.fixture
async def backend(server: ConfluentServer) -> AsyncIterator[ConfluentBackend]:
    opened = ConfluentBackend(server.url, timeout=2.0)
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def asking(
    *urls: str,
    timeout: float = 2.0,  # noqa: ASYNC109 - the backend's own option
    **options: Any,
) -> AsyncIterator[ConfluentBackend]:
    backend = ConfluentBackend(list(urls), timeout=timeout, **options)
    try:
        yield backend
    finally:
        await backend.close()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


# -- faults ----------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_can_succeed_later_can_be_tried_again(
    server: ConfluentServer, backend: ConfluentBackend, status: int
) -> None:
    server.fail(Fault(reply=Reply(status, HTML, {"Content-Type": "text/html"})))
    with pytest.raises(RegistryUnavailable) as failed:
        await backend.get(S)
    assert failed.value.retryable
    assert failed.value.counts_as_failure == (status != 429)
    assert str(status) in str(failed.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error_code": 50003, "message": ["Forward failed", "no master"]},
         " 500 (code 50003): Forward failed; no master"),
        ({"error_code": 50001, "message": [{"loc": ["body"], "msg": "bad", "input": "SECRET"}]},
         " 500 (code 50001): bad"),
        ({"message": "", "detail": "overloaded"}, " 500: overloaded"),
        ({"error_code": 50001, "message": {"a": 1}}, " 500 (code 50001)"),
    ],
)  # fmt: skip
async def test_what_a_server_says_of_its_failure_is_kept_in_any_form(
    server: ConfluentServer, backend: ConfluentBackend, body: dict[str, Any], said: str
) -> None:
    server.fail(Fault(reply=Reply(500, body)))
    with pytest.raises(RegistryUnavailable) as failed:
        await backend.get(S)
    assert str(failed.value).endswith(said)


@pytest.mark.parametrize("status", [501, 505, 507])
async def test_other_server_errors_cannot(
    server: ConfluentServer, backend: ConfluentBackend, status: int
) -> None:
    server.fail(Fault(reply=Reply(status)))
    with pytest.raises(RegistryUnavailable) as failed:
        await backend.get(S)
    assert not failed.value.retryable


async def test_retry_after_is_read_in_seconds_and_as_a_date(
    server: ConfluentServer, backend: ConfluentBackend
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    for header, expected in (("7", 7.0), (date, 90.0)):
        server.recover()
        server.fail(Fault(reply=Reply(429, b"", {"Retry-After": header})))
        with pytest.raises(RegistryUnavailable) as limited:
            await backend.get(S)
        assert limited.value.retry_after == pytest.approx(expected, abs=5)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-1", None), ("1.5", 1.5), ("0", 0.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 4.0), ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:01 GMT", None), ("٣", None), ("1e400", None),
        ("9" * 310, 86_400.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)  # fmt: skip
def test_retry_after_headers_mean(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=6.0) == seconds


async def test_a_registry_that_accepts_and_never_answers_ends_at_the_timeout(
    server: ConfluentServer,
) -> None:
    server.fail(Fault(delay=30))
    async with asking(server.url, timeout=0.2) as backend:
        started = time.monotonic()
        with pytest.raises(RegistryUnavailable, match=r"did not answer within 0\.2 s"):
            await backend.get(S)
        assert time.monotonic() - started < 25


async def test_an_answer_that_comes_byte_by_byte_ends_at_the_timeout_too(
    server: ConfluentServer,
) -> None:
    server.fail(Fault(trickle=0.05))
    async with asking(server.url, timeout=0.3) as backend:
        with pytest.raises(RegistryUnavailable, match="did not answer within"):
            await backend.get(S)


async def test_a_refused_connection_can_be_tried_again() -> None:
    async with asking(f"http://127.0.0.1:{closed_port()}") as backend:
        with pytest.raises(RegistryUnavailable, match="cannot connect") as refused:
            await backend.get(S)
    assert refused.value.retryable


async def test_a_host_that_does_not_exist_is_unavailable() -> None:
    async with asking("http://no-such-host.invalid") as backend:
        with pytest.raises(RegistryUnavailable):
            await backend.get(S)


async def test_a_connection_that_is_hung_up_can_be_tried_again(
    server: ConfluentServer, backend: ConfluentBackend
) -> None:
    server.fail(Fault(hang_up=True))
    with pytest.raises(RegistryUnavailable) as broken:
        await backend.get(S)
    assert broken.value.retryable


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(reply=Reply(200, HTML, {"Content-Type": "text/html"})), "HTML"),
        (Fault(reply=Reply(200, HTML)), "HTML"),
        (Fault(reply=Reply(404, HTML, {"Content-Type": "text/html"})), "HTML"),
        (Fault(cut=10), "broke off"),
        (Fault(reply=Reply(200, b'{"subject": "s", "vers')), "broken JSON"),
        (Fault(reply=Reply(200, b"")), "empty body"),
        (Fault(reply=Reply(204, b"")), "empty body"),
        (Fault(reply=Reply(200, b"\xff\xfe\xfd")), "broken JSON"),
        (Fault(reply=Reply(200, b"[" * 200_000)), "nested too deeply"),
        (Fault(wire=b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "does not speak HTTP"),
        (Fault(reply=Reply(200, b"no gzip", {"Content-Encoding": "gzip"})), "content encoding"),
        (Fault(reply=Reply(301, b"", {"Location": "https://u:pw@new.example.com/x?k=1"})),
         r"not followed: use https://new\.example\.com/x as"),
        (Fault(reply=Reply(400, b"{}")), "answered 400"),
    ],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_is_a_protocol_error(
    server: ConfluentServer, backend: ConfluentBackend, fault: Fault, message: str
) -> None:
    server.fail(fault)
    with pytest.raises(RegistryProtocolError, match=message) as nonsense:
        await backend.get(S)
    assert "pw" not in str(nonsense.value)


async def test_a_body_of_50_mb_is_not_read_to_its_end(
    server: ConfluentServer, backend: ConfluentBackend
) -> None:
    server.fail(Fault(reply=Reply(200, b" " * 50_000_000)))
    with pytest.raises(RegistryProtocolError, match="more than 16 MB"):
        await backend.get(S)
    server.recover()
    assert (await backend.get(S)).version == 1


ZEROS = gzip.compress(b" " * 40_000_000, mtime=0)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", ZEROS),
        ("gzip, gzip", gzip.compress(ZEROS, mtime=0)),
        ("x-gzip", ZEROS),
        ("deflate", zlib.compress(b" " * 40_000_000)),
        ("br", b"?"),
        ("zstd", b"?"),
        ("identity, GZIP", ZEROS),
    ],
    ids=["gzip", "twice", "x-gzip", "deflate", "br", "zstd", "identity"],
)
async def test_an_encoding_that_was_not_asked_for_is_not_decoded(
    server: ConfluentServer, backend: ConfluentBackend, encoding: str, body: bytes
) -> None:
    server.fail(Fault(reply=Reply(200, body, {"Content-Encoding": encoding})))
    with pytest.raises(RegistryProtocolError, match="not asked for"):
        await backend.get(S)
    assert server.requests[-1].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
async def test_an_answer_may_say_that_it_is_not_encoded(
    server: ConfluentServer, backend: ConfluentBackend, encoding: str
) -> None:
    body = {"id": 7, "subject": "s", "version": 1, "schemaType": "JSON", "schema": "true"}
    server.fail(Fault(reply=Reply(200, body, {"Content-Encoding": encoding})))
    assert (await backend.get(S)).id == 7


async def test_an_outage_told_by_a_gateway_that_compresses_is_an_outage(
    server: ConfluentServer, backend: ConfluentBackend
) -> None:
    server.fail(Fault(reply=Reply(503, ZEROS, {"Content-Encoding": "gzip", "Retry-After": "3"})))
    with pytest.raises(RegistryUnavailable) as away:
        await backend.get(S)
    assert away.value.retry_after == 3.0


async def _endless(writer: asyncio.StreamWriter, start: bytes, more: bytes, pause: float) -> None:
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        writer.write(b"HTTP/1.1 " + start)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(pause)


@pytest.mark.parametrize(
    ("start", "more", "pause"),
    [
        (b"200 OK\r\n", b"X-A: b\r\n" * 100, 0.0),
        (b"200 OK\r\n", b"X-A: b\r\n", 0.02),
        (b"100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 100, 0.0),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.02),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000, 0.0),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 100, 0.0),
    ],
    ids=["headers", "slow headers", "interim", "chunks", "slow chunks", "extension", "trailers"],
)
async def test_an_answer_without_an_end_ends_at_the_timeout(
    start: bytes, more: bytes, pause: float
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await _endless(writer, start, more, pause)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as endless:
        port = endless.sockets[0].getsockname()[1]
        async with asking(f"http://127.0.0.1:{port}", timeout=0.5) as backend:
            started = time.monotonic()
            with pytest.raises((RegistryUnavailable, RegistryProtocolError)):
                await backend.get(S)
            assert time.monotonic() - started < 60


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_an_auth_error_whatever_the_body(
    server: ConfluentServer, status: int
) -> None:
    server.fail(Fault(reply=Reply(status, HTML, {"Content-Type": "text/html"})))
    async with asking(server.url, auth=BearerAuth("s3cret")) as backend:
        with pytest.raises(RegistryAuthError) as refused:
            await backend.get(S)
    assert "s3cret" not in repr(refused.value)


async def test_a_cancelled_call_leaves_the_client_usable(
    server: ConfluentServer, backend: ConfluentBackend
) -> None:
    server.fail(Fault(delay=5, times=1))
    task = asyncio.create_task(backend.get(S))
    await asyncio.to_thread(server.wait_for, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await backend.get(S)).version == 1


# -- several base URLs ----------


async def test_the_next_url_is_tried_and_the_one_that_failed_remembered() -> None:
    dead = f"http://127.0.0.1:{closed_port()}"
    with ConfluentServer() as alive, ConfluentServer() as failing:
        alive.add("s", {})
        failing.fail(Fault(reply=Reply(503)))
        async with asking(dead, failing.url, alive.url) as backend:
            for _ in range(3):
                assert (await backend.get(S)).version == 1
            assert backend.url == dead
        assert len(failing.requests) == 1
        assert len(alive.requests) == 3


async def test_when_all_fail_the_first_failure_is_told() -> None:
    with ConfluentServer() as first, ConfluentServer() as second:
        first.fail(Fault(reply=Reply(503)))
        second.fail(Fault(reply=Reply(500)))
        async with asking(first.url, second.url) as backend:
            with pytest.raises(RegistryUnavailable, match="503"):
                await backend.get(S)
            second.recover()
            second.add("s", {})
            assert (await backend.get(S)).version == 1


async def test_a_limit_on_us_is_not_evaded_by_asking_the_next() -> None:
    with ConfluentServer() as first, ConfluentServer() as second:
        first.fail(Fault(reply=Reply(429, b"", {"Retry-After": "3"})))
        async with asking(first.url, second.url) as backend:
            with pytest.raises(RegistryUnavailable, match="retry after 3 s"):
                await backend.get(S)
        assert second.requests == []


async def test_what_a_registry_says_is_not_asked_of_the_next() -> None:
    with ConfluentServer() as first, ConfluentServer() as second:
        second.add("s", {})
        async with asking(first.url, second.url) as backend:
            with pytest.raises(RegistryError, match="40401"):
                await backend.get(S)
        assert second.requests == []


# -- credentials ----------


async def test_credentials_in_a_url_go_to_that_url_only() -> None:
    with ConfluentServer(users={"u:p": "rw"}) as first, ConfluentServer() as second:
        with_password = first.url.replace("http://", "http://u:p@")
        async with asking(with_password, second.url) as backend:
            assert await backend.subjects() == []
            first.fail(Fault(reply=Reply(503)))
            assert await backend.subjects() == []
        assert "authorization" not in second.requests[0].headers
        assert "u:p" not in backend.url


async def test_credentials_do_not_follow_a_redirect(server: ConfluentServer) -> None:
    with ConfluentServer() as elsewhere:
        server.fail(Fault(reply=Reply(307, b"", {"Location": f"{elsewhere.url}/subjects"})))
        async with asking(server.url, auth=ApiKeyAuth("k3y")) as backend:
            with pytest.raises(RegistryProtocolError, match="not followed"):
                await backend.subjects()
        assert elsewhere.requests == []
    assert server.requests[0].headers["x-api-key"] == "k3y"


async def test_a_proxy_in_the_environment_is_not_used(
    server: ConfluentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{closed_port()}")
    async with asking(server.url) as backend:
        assert await backend.subjects() == ["s"]


async def test_no_credential_and_no_body_is_ever_logged(
    server: ConfluentServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.url.replace("http://", "http://user:pa55word@")
    async with asking(url) as backend:
        await backend.get(S)
        server.fail(Fault(reply=Reply(401)))
        with pytest.raises(RegistryAuthError):
            await backend.get(S)
    assert "pa55word" not in caplog.text
    assert "Basic " not in caplog.text


@pytest.mark.parametrize(
    "url", ["http://registry.example.com", "http://10.0.0.7:8081", "http://localhost.evil.com"]
)
def test_credentials_are_not_sent_over_a_network_unencrypted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        refuse_clear_text([url], BearerAuth("t"))
    refuse_clear_text([url], BearerAuth("t"), allow_insecure=True)
    refuse_clear_text([url], None)


@pytest.mark.parametrize(
    "url",
    ["https://registry.example.com", "http://localhost:1", "http://127.0.0.1", "http://[::1]:2"],
)
def test_credentials_may_go_over_tls_and_to_this_machine(url: str) -> None:
    refuse_clear_text([url], BearerAuth("t"))


def test_credentials_become_headers() -> None:
    assert auth_headers(BasicAuth("user", "pä:ss")) == {"Authorization": "Basic dXNlcjpww6Q6c3M="}
    assert auth_headers(BearerAuth("abc")) == {"Authorization": "Bearer abc"}
    assert auth_headers(ApiKeyAuth("abc")) == {"X-API-Key": "abc"}
    assert auth_headers(None) == {}


@pytest.mark.parametrize(
    "auth", [BearerAuth("s3cret\r\nX: y"), ApiKeyAuth("s3crét"), BasicAuth("s3:cret", "p")]
)
def test_credentials_that_fit_no_header_are_refused_without_being_shown(auth: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        auth_headers(auth)
    assert "s3" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("https://u:p@h.example:8081/x?token=1#f", "https://h.example:8081/x"),
        ("http://[::1]:2/", "http://[::1]:2/"),
        ("http://h:bad/", "(an unreadable URL)"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, redacted: str) -> None:
    assert redact_url(url) == redacted


# -- TLS ----------


async def test_a_private_authority_and_a_client_certificate_are_used(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "localhost")
    context = files.server_context()
    context.load_verify_locations(files.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    tls = TLSOptions(ca=str(files.ca), cert=str(files.cert), key=str(files.key))
    with ConfluentServer(context=context) as server:
        async with asking(server.url, tls=tls) as backend:
            assert await backend.subjects() == []
        async with asking(server.url, tls=TLSOptions(ca=str(files.ca))) as backend:
            with pytest.raises(RegistryUnavailable):
                await backend.subjects()


async def test_a_certificate_that_nobody_trusts_is_told_and_not_tried_again(
    tmp_path: Path,
) -> None:
    files = make_certificates(tmp_path, "localhost")
    with ConfluentServer(context=files.server_context()) as server:
        async with asking(server.url) as backend:
            with pytest.raises(RegistryUnavailable, match="not trusted") as refused:
                await backend.subjects()
    assert not refused.value.retryable


async def test_tls_files_that_are_not_there_are_named() -> None:
    async with asking("https://127.0.0.1:1", tls=TLSOptions(ca="/nowhere/ca.pem")) as backend:
        with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
            await backend.subjects()


# -- loops, and no I/O where none belongs ----------


def test_a_backend_can_be_used_on_one_loop_after_another(server: ConfluentServer) -> None:
    backend = ConfluentBackend(server.url)

    async def use() -> None:
        assert (await backend.get(S)).version == 1
        await backend.close()

    asyncio.run(use())
    asyncio.run(use())


def test_an_operation_needs_no_network_at_all() -> None:
    def operation() -> Operation[str]:
        response = yield HttpRequest("GET", path("subjects", "a/b ü", 1), query={"q": "1 2"})
        return f"{response.status} {response.json()}"

    running = operation()
    assert next(running).target == "/subjects/a%2Fb%20%C3%BC/1?q=1+2"
    with pytest.raises(StopIteration) as ended:
        running.send(HttpResponse(200, {}, b"[1]", "http://r/x"))
    assert ended.value.value == "200 [1]"


@pytest.mark.parametrize(
    ("segment", "encoded"), [("..", "/%2E%2E"), (".", "/%2E"), ("a.b", "/a.b")]
)
def test_no_segment_is_a_step_up_in_the_path(segment: str, encoded: str) -> None:
    assert path(segment) == encoded


async def test_no_subject_leads_to_another_path(server: ConfluentServer) -> None:
    async with asking(server.url) as backend:
        for subject in ("..", "a/../../config", "?deleted=true", "#", "%2e%2e", "a\\b", "ü"):
            with pytest.raises(RegistryError):
                await backend.get(SchemaRef(subject))
    assert [request.segments for request in server.requests] == [
        ["subjects", subject, "versions", "latest"]
        for subject in ("..", "a/../../config", "?deleted=true", "#", "%2e%2e", "a\\b", "ü")
    ]


async def test_an_error_thrown_into_an_operation_can_be_handled_there(
    server: ConfluentServer,
) -> None:
    def operation() -> Operation[str]:
        try:
            yield HttpRequest("GET", "/subjects")
        except RegistryUnavailable:
            return "handled"
        return "not thrown"

    server.fail(Fault(reply=Reply(503), times=1))
    client = HttpClient(server.url)
    assert await client.run(operation()) == "handled"
    assert await client.run(operation()) == "not thrown"
    await client.close()


async def test_only_our_own_errors_get_out() -> None:
    with ConfluentServer() as server:
        faults = [
            Fault(hang_up=True),
            Fault(wire=b"\x00" * 9),
            Fault(cut=1),
            Fault(reply=Reply(99)),
        ]
        for fault in faults:
            server.recover()
            server.fail(fault)
            async with asking(server.url) as backend:
                with pytest.raises(LLMIntegrationsError) as raised:
                    await backend.subjects()
            assert raised.value.__cause__ is None


def test_importing_the_protocols_loads_no_http_library() -> None:
    code = (
        "import sys; import llm_integrations.core.registry.confluent.backend, "
        "llm_integrations.core.registry.llm_registry.backend, "
        "llm_integrations.core.registry.local.file.backend, "
        "llm_integrations.core.registry.local.memory; "
        "print([m for m in ('httpx', 'yaml', 'filelock', 'ssl_', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
