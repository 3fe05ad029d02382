"""The receiver over HTTP: what it takes, what it refuses, and how little it says."""

from __future__ import annotations

import asyncio
import base64
import gc
import hmac
import logging
import random
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher, WebhookReceiver
from llm_integrations.core.webhooks.signing import Signer, parse_secrets
from tests.support.events import IMPATIENT, event, events, until
from tests.support.webhooks import OTHER_SECRET, SECRET, served, signed


class Seen(list[SchemaEvent]):
    async def __call__(self, sent: SchemaEvent) -> None:
        self.append(sent)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def receiver(tmp_path: Path, seen: Seen) -> WebhookReceiver:
    return WebhookReceiver(
        SECRET, tmp_path / "inbox.db", handlers=[seen], poll=0.02, delivery=IMPATIENT
    )


@pytest.fixture
def client(receiver: WebhookReceiver) -> Iterator[httpx.Client]:
    """A client of the receiver, which runs alone under uvicorn."""
    with served(receiver) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a receiver that several tests ask, since it keeps nothing of what they send."""
    receiver = WebhookReceiver(SECRET, tmp_path_factory.mktemp("shared") / "inbox.db")
    with served(receiver) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def post(
    client: httpx.Client, sent: SchemaEvent, path: str = "/", **options: Any
) -> httpx.Response:
    body, headers = signed(sent, **options)
    return client.post(path, content=body, headers=headers)


def silent(response: httpx.Response) -> bool:
    """Nothing but a status: no body, and no header that tells of us."""
    return response.content == b"" and set(response.headers) <= {
        "content-length",
        "date",
        "server",
        "allow",
    }


async def test_a_signed_event_is_acknowledged_and_handled(client: httpx.Client, seen: Seen) -> None:
    sent = event(owner="team-a")
    assert post(client, sent).status_code == 200
    await until(lambda: seen)
    assert seen == [sent]


async def test_a_repeated_delivery_is_acknowledged_and_handled_once(
    client: httpx.Client, seen: Seen
) -> None:
    first, second = event(version=1), event(version=2)
    statuses = [post(client, sent).status_code for sent in (first, first, second, first)]
    assert statuses == [200] * 4
    await until(lambda: second in seen)
    assert seen == [first, second]


async def test_a_repetition_is_known_after_a_restart(tmp_path: Path) -> None:
    sent, handled = event(), Seen()
    for _ in range(2):
        receiver = WebhookReceiver(SECRET, tmp_path / "inbox.db", handlers=[handled])
        with served(receiver) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert post(client, sent).status_code == 200
            await until(lambda: handled)
    assert handled == [sent]


def test_the_event_is_on_disk_before_the_answer(client: httpx.Client, tmp_path: Path) -> None:
    for sent in events(20):
        assert post(client, sent).status_code == 200
        other = sqlite3.connect(tmp_path / "inbox.db")
        found = other.execute("SELECT 1 FROM events WHERE webhook_id = ?", (sent.event_id,))
        assert found.fetchone()
        other.close()


@pytest.mark.parametrize(
    "options",
    [
        {"secret": OTHER_SECRET},
        {"ago": 400},
        {"ago": -400},
    ],
)
def test_a_wrong_secret_and_an_old_or_early_timestamp_are_401(
    shared: httpx.Client, options: dict[str, Any]
) -> None:
    response = post(shared, event(), **options)
    assert response.status_code == 401
    assert silent(response)


@pytest.mark.parametrize("ago", [280, -280])
def test_a_clock_that_is_almost_five_minutes_off_is_accepted(
    shared: httpx.Client, ago: float
) -> None:
    assert post(shared, event(), ago=ago).status_code == 200


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_401(shared: httpx.Client, missing: str) -> None:
    body, headers = signed(event())
    del headers[missing]
    response = shared.post("/", content=body, headers=headers)
    assert response.status_code == 401
    assert silent(response)


def test_a_signed_header_that_comes_twice_is_401(shared: httpx.Client) -> None:
    body, headers = signed(event())
    for twice in (
        [*headers.items(), ("webhook-id", "another")],
        [("webhook-id", "another"), *headers.items()],
    ):
        assert shared.post("/", content=body, headers=twice).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"{", b'{"specversion":"1.0"}', b"[" * 100_000, b'"\\ud800"'],
)
def test_a_signed_body_that_is_no_schema_event_is_400(shared: httpx.Client, body: bytes) -> None:
    headers = Signer(parse_secrets(SECRET)).headers("msg-1", body.decode())
    response = shared.post("/", content=body, headers=headers)
    assert response.status_code == 400
    assert silent(response)


@pytest.mark.parametrize(
    "body",
    [b"\xff", b'{"a": "\xc3"}', "{}".encode("utf-16"), b"\xed\xa0\x80", "é".encode("latin-1")],
)
def test_a_signed_body_that_is_no_utf_8_is_400_and_one_that_is_not_signed_401(
    shared: httpx.Client, body: bytes
) -> None:
    headers = Signer(parse_secrets(SECRET)).headers("msg-1", "")
    [key] = parse_secrets(SECRET)
    for data, status in ((body, 400), (body + b".", 401), (body[:-1] + b"?", 401)):
        message = f"msg-1.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.digest(key, message, "sha256")).decode()
        headers["webhook-signature"] = f"v1,{digest}"
        assert shared.post("/", content=data, headers=headers).status_code == status


def test_a_body_beyond_the_limit_is_413_announced_or_not(shared: httpx.Client) -> None:
    body = b"x" * 300_000

    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield body[:10_000]

    for content in (body, chunks()):
        response = shared.post("/", content=content)
        assert response.status_code == 413
        assert silent(response)


def test_another_method_is_405(shared: httpx.Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = shared.request(method, "/")
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
        assert silent(response)


async def test_a_body_that_does_not_come_is_408(tmp_path: Path) -> None:
    receiver = WebhookReceiver(SECRET, tmp_path / "inbox.db", body_timeout=0.1)
    with served(receiver) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_a_sender_that_hangs_up_leaves_no_trace(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    port = client.base_url.port or 0
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert post(client, event()).status_code == 200
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_an_id_too_long_to_keep_is_400(shared: httpx.Client) -> None:
    assert post(shared, event(), webhook_id="x" * 300).status_code == 400


async def test_a_version_that_is_deleted_and_comes_back_is_heard_each_time(
    client: httpx.Client, seen: Seen
) -> None:
    registered = SchemaEvent.registered(1, "", "user", 1, event_id="registered-1")
    deleted = SchemaEvent.deleted(1, "", "user", 1, event_id="deleted-1")
    other = SchemaEvent.registered(2, "", "user", 2, event_id="registered-2")
    sent = [registered, other, deleted, registered, deleted, deleted, other, registered]
    for one in sent:
        assert post(client, one).status_code == 200
    taken = [registered, other, deleted, registered, deleted, registered]
    await until(lambda: len(seen) >= len(taken))
    await asyncio.sleep(0.05)
    assert [e for e in seen if e.version == "1"] == [e for e in taken if e.version == "1"]
    assert seen.count(other) == 1


async def test_any_of_several_secrets_may_have_signed(tmp_path: Path) -> None:
    receiver = WebhookReceiver([SECRET, OTHER_SECRET], tmp_path / "inbox.db")
    with served(receiver) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for version, secret in enumerate((SECRET, OTHER_SECRET)):
            assert post(client, event(version=version), secret=secret).status_code == 200


@pytest.mark.parametrize("secret", ["", "short", []])
def test_a_receiver_needs_a_secret_that_is_long_enough(secret: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        WebhookReceiver(secret, tmp_path / "inbox.db")
    assert not (tmp_path / "inbox.db").exists()


async def test_it_mounts_in_fastapi_and_starts_with_the_first_request(
    receiver: WebhookReceiver, seen: Seen
) -> None:
    app = FastAPI()
    app.mount("/webhooks", receiver)
    with served(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert post(client, event(), path="/webhooks/schemas").status_code == 200
        assert post(client, event(), path="/elsewhere").status_code == 404
        await until(lambda: seen)
    await receiver.close()


async def test_mounted_in_starlette_the_lifespan_of_the_application_starts_and_closes_it(
    receiver: WebhookReceiver, seen: Seen
) -> None:
    await receiver.publish(event())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with receiver:
            yield

    app = Starlette(routes=[Mount("/webhooks", receiver)], lifespan=lifespan)
    with served(app):
        await until(lambda: seen)


async def test_an_inbox_that_cannot_be_opened_stops_the_server_from_starting(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    receiver = WebhookReceiver(SECRET, tmp_path / "file" / "inbox.db")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    await receiver({"type": "lifespan"}, receive, send)
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "inbox.db" in sent[0]["message"]


async def test_an_inbox_that_cannot_be_written_is_503_so_that_the_sender_tries_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    app = FastAPI()
    app.mount("/", WebhookReceiver(SECRET, tmp_path / "file" / "inbox.db"))
    with served(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        response = post(client, event())
    assert response.status_code == 503
    assert silent(response)
    assert "the inbox does not take an event" in caplog.text


async def test_a_websocket_is_closed(receiver: WebhookReceiver) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await receiver({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_dispatcher_and_receiver_understand_each_other(
    client: httpx.Client, seen: Seen, tmp_path: Path
) -> None:
    config = WebhookConfig(str(client.base_url), secret=SECRET)
    sent = events(50)
    async with WebhookDispatcher([config], tmp_path / "o.db", allow_private=True) as webhooks:
        await asyncio.gather(*(webhooks.dispatch(one) for one in sent))
        await webhooks.flush(60)
        assert await webhooks.dead_letters() == []
    await until(lambda: len(seen) == 50)
    assert {e.event_id for e in seen} == {e.event_id for e in sent}


class Garbage:
    """Requests that no sender of ours makes, the same ones in every run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._body, self._headers = signed(event())

    def headers(self) -> list[tuple[bytes, bytes]]:
        pick, noise = self._random, self._noise
        good = {name: value.encode() for name, value in self._headers.items()}
        for name in pick.sample(sorted(good), pick.randint(1, 3)):
            good[name] = pick.choice(
                [b"", b"v1", b"v1,", b"v1,\xff", b"nan", b"1e400", b"-1", noise(40), noise(4000)]
            )
        headers = [(name.encode(), value) for name, value in good.items()]
        if pick.random() < 0.2:
            headers += headers
        return [*headers, (b"content-length", pick.choice([b"", b"x", b"-5", b"9" * 30, b"\xb2"]))]

    def body(self) -> bytes:
        return self._random.choice([b"", self._body, self._body[:50], b"[" * 5000, self._noise(99)])

    def method(self) -> str:
        return self._random.choice(["POST"] * 9 + ["GET"])

    def _noise(self, most: int) -> bytes:
        return self._random.randbytes(self._random.randint(0, most))


async def _call(receiver: WebhookReceiver, garbage: Garbage) -> int:
    chunks = [garbage.body() for _ in range(2)]
    answer: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0)  # as a socket would; the loop drops its cancelled timers meanwhile
        return {"type": "http.request", "body": chunks.pop(), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        answer.append(message)

    scope = {"type": "http", "method": garbage.method(), "headers": garbage.headers()}
    await receiver(scope, receive, send)
    return int(answer[0]["status"])


async def test_ten_thousand_malformed_requests_are_4xx_cost_no_memory_and_log_no_error(
    receiver: WebhookReceiver, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    garbage = Garbage(7)
    async with receiver:
        statuses = {await _call(receiver, garbage) for _ in range(1000)}
        gc.collect()
        before = sys.getallocatedblocks()
        statuses |= {await _call(receiver, garbage) for _ in range(9000)}
        gc.collect()
        grown = sys.getallocatedblocks() - before
        assert (await receiver.health_check()).detail["held"] == 0
    assert statuses <= {400, 401, 405, 413}
    assert {401, 405, 413} <= statuses
    assert grown < 1000, "objects of ours, after nine thousand requests"
    assert not seen
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_bytes_that_are_not_even_http_are_4xx_and_the_next_event_is_taken(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    noise = random.Random(3)
    port = client.base_url.port or 0

    async def send(raw: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    for _ in range(20):
        answers = await asyncio.gather(
            *(send(noise.randbytes(noise.randint(1, 300)) + b"\r\n\r\n") for _ in range(10)),
            *(send(b"POST / HTTP/1.1\r\nhost: x\r\nwebhook-id: \xff" + b"\r\n\r\n") for _ in "12"),
        )
        assert all(answer == b"" or answer[9:10] == b"4" for answer in answers)
    assert post(client, event()).status_code == 200
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "poison",
    [
        (b'"time":"', b'"time":"9999-12-31T23:59:59-14:00","x":"'),
        (b'"version":"', b'"version":"\\ud800'),
        (b'"previous_version":', b'"previous_version":[1],"x":'),
        (b'"metadata":{', b'"metadata":{"x":1e400,'),
        (b'"metadata":{', b'"metadata":{"x":' + b"[" * 5000 + b"]" * 5000 + b","),
    ],
)
def test_a_signed_body_that_could_not_be_kept_is_answered_400(
    shared: httpx.Client, poison: tuple[bytes, bytes]
) -> None:
    body = to_json(event(owner="team-a"))
    assert poison[0] in body
    body = body.replace(*poison)
    headers = Signer(parse_secrets(SECRET)).headers("poison", body.decode())
    response = shared.post("/", content=body, headers=headers)
    assert response.status_code == 400
    assert silent(response)


@pytest.mark.parametrize(
    "timestamp",
    ["1e400", "-1e400", "nan", "inf", "9" * 5000, "9" * 20, "-" + "9" * 20, "\u0663", "", "1_0"],
    ids=lambda text: ascii(text)[:12],
)
async def test_a_timestamp_that_is_no_time_is_answered_401(
    receiver: WebhookReceiver, timestamp: str
) -> None:
    body, headers = signed(event())
    assert await status_of(receiver, body, {**headers, "webhook-timestamp": timestamp}) == 401


@pytest.mark.parametrize(
    ("announced", "status"),
    [
        ("9" * 5000, 413),
        ("262145", 413),
        ("0" * 5000 + "262145", 413),
        ("0" * 5000 + "1", 200),
        ("\u0669" * 10, 200),
        ("-5", 200),
        ("1e400", 200),
        ("", 200),
    ],
    ids=lambda value: ascii(value)[:12],
)
async def test_whatever_length_is_announced_there_is_an_answer(
    receiver: WebhookReceiver, announced: str, status: int
) -> None:
    body, headers = signed(event())
    assert await status_of(receiver, body, {**headers, "content-length": announced}) == status


async def status_of(receiver: WebhookReceiver, body: bytes, headers: dict[str, str]) -> int:
    """What is answered to headers that no server would let through."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode("utf-8")) for name, value in headers.items()]
    try:
        await receiver({"type": "http", "method": "POST", "headers": encoded}, receive, send)
    finally:
        await receiver.close()
    status: int = sent[0]["status"]
    return status
