"""One request: to the address that was checked, no further, and not for ever."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import pytest

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.webhooks import WebhookConfig
from llm_integrations.core.webhooks.addresses import Address
from llm_integrations.core.webhooks.sending.attempts import Answer
from llm_integrations.core.webhooks.sending.connection import Connection, GuardedBackend
from llm_integrations.core.webhooks.sending.lookup import resolve
from tests.support.certificates import make_certificates
from tests.support.webhooks import Endpoint, Reply, endpoint


class FakeDNS:
    """Answers each question with the next of its answers; the last one repeats."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.questions.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ip_address(text) for text in answer]


class FakeNetwork(httpcore.AsyncNetworkBackend):
    """Notes the addresses that are connected to; all but some are unreachable."""

    def __init__(self, reachable: str = "") -> None:
        self.connected: list[str] = []
        self._reachable = reachable

    async def connect_tcp(self, host: str, port: int, *args: Any, **kw: Any) -> Any:
        self.connected.append(host)
        if host != self._reachable:
            raise httpcore.ConnectError
        return "stream"


@pytest.fixture
async def server() -> AsyncIterator[Endpoint]:
    async with endpoint() as found:
        yield found


async def post(url: str, backend: GuardedBackend | None = None, **options: Any) -> Answer:
    connection = Connection(
        WebhookConfig(url, **options), backend or GuardedBackend(allow_private=True)
    )
    try:
        return await connection.post(b"{}", {"x-test": "1"})
    finally:
        await connection.close()


async def test_a_request_has_its_body_headers_path_and_query(server: Endpoint) -> None:
    assert (await post(server.url + "?a=b%20c")).status == 200
    request = server.requests[0]
    assert request.path == "/hooks?a=b%20c"
    assert request.body == b"{}"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["x-test"] == "1"


async def test_a_public_name_that_leads_to_a_private_address_is_refused(server: Endpoint) -> None:
    guard = GuardedBackend(allow_private=False, resolver=FakeDNS(["127.0.0.1"]))
    answer = await post(f"http://rag.example.com:{server.port}/", guard)
    assert answer.final
    assert answer.reason == "refused: the host leads to a loopback address"
    assert not server.requests


@pytest.mark.parametrize(
    "address", ["::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1", "64:ff9b::7f00:1"]
)
async def test_no_disguise_of_a_private_address_is_connected_to(address: str) -> None:
    network = FakeNetwork()
    guard = GuardedBackend(allow_private=False, resolver=FakeDNS([address]), inner=network)
    assert (await post("https://rag.example.com/", guard)).final
    assert network.connected == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1"])
async def test_numbers_that_the_system_reads_as_loopback_are_refused(host: str) -> None:
    guard = GuardedBackend(allow_private=False, resolver=resolve)
    answer = await post(f"http://{host}:9/", guard)
    assert answer.final
    assert "loopback" in answer.reason


async def test_a_name_that_is_rebound_after_the_check_gains_nothing() -> None:
    dns = FakeDNS(["93.184.216.34"], ["127.0.0.1"])
    network = FakeNetwork(reachable="93.184.216.34")
    guard = GuardedBackend(allow_private=False, resolver=dns, inner=network)
    assert await guard.connect_tcp("rag.example.com", 443)
    assert dns.questions == ["rag.example.com"]  # asked once
    assert network.connected == ["93.184.216.34"]  # an address, not a name to look up again


async def test_of_a_mixed_answer_only_the_admitted_addresses_are_tried_in_order() -> None:
    dns = FakeDNS(["10.0.0.1", "2606:4700::1111", "127.0.0.1", "93.184.216.34"])
    network = FakeNetwork(reachable="93.184.216.34")
    guard = GuardedBackend(allow_private=False, resolver=dns, inner=network)
    await guard.connect_tcp("rag.example.com", 443, timeout=1.0)
    assert network.connected == ["2606:4700::1111", "93.184.216.34"]


async def test_an_address_that_never_answers_leaves_time_for_the_next(server: Endpoint) -> None:
    """A listener whose backlog is full: the kernel drops what would connect to it."""
    with ExitStack() as sockets:
        dead = sockets.enter_context(socket.socket())
        dead.bind(("127.0.0.2", server.port))
        dead.listen(0)
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", server.port))
        backend = GuardedBackend(
            allow_private=True, plain=True, resolver=FakeDNS(["127.0.0.2", "127.0.0.1"])
        )
        url = f"http://hooks.internal:{server.port}/hooks"
        answer = await post(url, backend, timeout_secs=2.0)
    assert answer.status == 200, answer
    assert len(server.requests) == 1


async def test_plain_http_goes_to_private_addresses_only() -> None:
    network = FakeNetwork(reachable="10.0.0.1")
    dns = FakeDNS(["93.184.216.34"], ["93.184.216.34", "10.0.0.1"])
    guard = GuardedBackend(allow_private=True, plain=True, resolver=dns, inner=network)
    answer = await post("http://rag.internal/", guard)
    assert answer.final
    assert "needs https" in answer.reason
    await guard.connect_tcp("rag.internal", 80)
    assert network.connected == ["10.0.0.1"]


async def test_a_name_without_an_address_can_be_tried_again_later() -> None:
    answer = await post("https://no-such-host.invalid/")
    assert not answer.final
    assert answer.failure


async def test_redirects_are_not_followed(server: Endpoint) -> None:
    server.script = [Reply(307, {"location": f"http://127.0.0.1:{server.port}/elsewhere"})]
    assert (await post(server.url)).status == 307
    assert [request.path for request in server.requests] == ["/hooks"]


async def test_proxies_of_the_environment_are_not_used(
    server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await post(server.url)).status == 200


async def test_an_answer_that_does_not_come_is_a_failure_in_time(server: Endpoint) -> None:
    server.script = [Reply(hang=True)]
    started = time.perf_counter()
    assert await post(server.url, timeout_secs=0.1) == Answer(failure="timed out")
    assert time.perf_counter() - started < 30


async def test_a_connection_that_is_hung_up_or_refused_is_a_failure(server: Endpoint) -> None:
    server.script = [Reply(drop=True)]
    assert (await post(server.url)).failure == "RemoteProtocolError before an answer"
    assert (await post("http://127.0.0.1:1/")).failure == "ConnectError before an answer"


async def test_retry_after_is_read_in_both_forms(server: Endpoint) -> None:
    server.script = [
        Reply(503, {"retry-after": "7"}),
        Reply(503, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}),
        Reply(503, {"retry-after": "soon"}),
    ]
    answers = [await post(server.url) for _ in range(3)]
    assert answers[0].retry_after == 7
    assert answers[1].retry_after == 86_400  # no wait is longer than a day
    assert answers[2].retry_after is None


async def test_of_a_large_answer_only_the_limit_is_read(server: Endpoint) -> None:
    server.default = Reply(200, body=b"x" * 5_000_000)
    connection = Connection(
        WebhookConfig(server.url, max_response_bytes=1000), GuardedBackend(allow_private=True)
    )
    assert (await connection.post(b"{}", {})).status == 200
    assert (await connection.post(b"{}", {})).status == 200
    await connection.close()
    assert server.connections == 2  # what was not read to its end cannot be used again


async def test_a_body_that_never_ends_does_not_undo_an_acknowledgement(server: Endpoint) -> None:
    server.default = Reply(200, {"content-length": "100"}, body=b"x")
    assert (await post(server.url, timeout_secs=0.1)).status == 200


async def test_a_connection_is_used_again_and_renewed_when_the_server_closed_it(
    server: Endpoint,
) -> None:
    connection = Connection(WebhookConfig(server.url), GuardedBackend(allow_private=True))
    for _ in range(3):
        await connection.post(b"{}", {})
    assert server.connections == 1
    server.script = [Reply(200, {"connection": "close"})]
    await connection.post(b"{}", {})
    assert (await connection.post(b"{}", {})).status == 200
    assert server.connections == 2
    await connection.close()


async def test_tls_verifies_the_name_though_the_address_is_connected_to(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path, "rag.example.com")
    tls = TLSOptions(ca=str(certificates.ca))
    guard = GuardedBackend(allow_private=True, resolver=FakeDNS(["127.0.0.1"]))
    async with endpoint(ssl=certificates.server_context()) as server:
        good = await post(f"https://rag.example.com:{server.port}/", guard, tls=tls)
        assert good.status == 200
        other = await post(f"https://other.example.com:{server.port}/", guard, tls=tls)
        assert other.failure == "ConnectError before an answer"
        unknown = await post(f"https://rag.example.com:{server.port}/", guard)
        assert unknown.failure == "ConnectError before an answer"


def test_a_tls_file_that_is_missing_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="TLSOptions"):
        Connection(
            WebhookConfig("https://h.example/", tls=TLSOptions(ca="/nowhere.pem")),
            GuardedBackend(allow_private=True),
        )


async def test_a_cancelled_request_is_cancelled(server: Endpoint) -> None:
    server.script = [Reply(hang=True)]
    task = asyncio.create_task(post(server.url))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
