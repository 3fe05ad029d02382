"""A reply that is compressed all the same is read, and judged."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.serving_apps import (
    BAD,
    GOOD,
    Server,
    chat_chunks,
    chat_reply,
    chat_request,
    counted,
)


def raw(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[:40]) + gzip.compress(data[40:])


FORMS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"X-GZIP", gzip.compress),
    "two members": (b"gzip", two_members),
    "deflate": (b"deflate", zlib.compress),
    "deflate without wrapping": (b"deflate", raw),
}
UNREADABLE: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "brotli": (b"br", gzip.compress),
    "twice": (b"gzip, gzip", gzip.compress),
    "cut off": (b"gzip", lambda data: gzip.compress(data)[:-9]),
    "damaged": (b"gzip", lambda data: gzip.compress(data)[:30] + b"x" * 30),
    "not compressed": (b"gzip", lambda data: data),
    "something behind it": (b"deflate", lambda data: zlib.compress(data) + b"more"),
}


def server(reply: Any, encoding: bytes, *, mode: str = "enforce", **config: Any) -> Server:
    made = Server(reply, rules=[{"output": {"schema": "user", "mode": mode}}], **config)
    made.headers = [(b"content-encoding", encoding)]
    return made


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(("content", "status"), [(GOOD, 200), (BAD, 500)])
async def test_a_whole_reply(name: str, content: str, status: int) -> None:
    encoding, compress = FORMS[name]
    sent = compress(json.dumps(chat_reply(content)).encode())
    reply = await server(sent, encoding).post()
    assert (reply.status, reply.headers["x-schema-valid"]) == (
        status,
        "true" if status == 200 else "false",
    )
    if status == 200:
        assert reply.body == sent
        assert reply.headers["content-encoding"] == encoding.decode()


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("content", [GOOD, BAD])
async def test_a_stream(name: str, content: str) -> None:
    encoding, compress = FORMS[name]
    chunks = chat_chunks(content)
    sent = compress(b"".join(chunks))
    pieces = [sent[:20], sent[20:33], sent[33:]]
    request = chat_request(stream=True)
    outcome = "valid" if content == GOOD else "invalid"
    before = counted(outcome)
    watched = await server(pieces, encoding, mode="warn").post(request)
    assert watched.pieces[:3] == pieces
    assert watched.headers["content-encoding"] == encoding.decode()
    assert counted(outcome) == before + 1
    enforced = await server(pieces, encoding).post(request)
    assert "content-encoding" not in enforced.headers
    if content == GOOD:
        assert enforced.body == b"".join(chunks)
    assert (b"InvalidOutputError" in enforced.body) is (content == BAD)


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize(("mode", "status"), [("warn", 200), ("enforce", 500)])
async def test_what_cannot_be_read_is_unjudged(name: str, mode: str, status: int) -> None:
    encoding, compress = UNREADABLE[name]
    sent = compress(json.dumps(chat_reply(GOOD)).encode())
    before = counted("unjudged", subject="unknown")
    reply = await server(sent, encoding, mode=mode).post()
    assert (reply.status, reply.headers["x-schema-valid"]) == (status, "unjudged")
    assert counted("unjudged", subject="unknown") == before + 1


@pytest.mark.parametrize("name", [name for name in UNREADABLE if name not in ("brotli", "twice")])
async def test_neither_is_a_stream_that_cannot(name: str) -> None:
    encoding, compress = UNREADABLE[name]
    sent = compress(b"".join(chat_chunks(GOOD)))
    before = counted("unjudged", subject="unknown")
    reply = await server([sent], encoding).post(chat_request(stream=True))
    assert b"InvalidOutputError" in reply.body
    assert counted("unjudged", subject="unknown") == before + 1


async def test_a_small_reply_that_becomes_a_large_one_is_not_unpacked() -> None:
    large = json.dumps(chat_reply("x" * 1_000_000)).encode()
    made = server(gzip.compress(large), b"gzip", max_answer=10_000)
    assert (await made.post()).status == 500
    stream = gzip.compress(b"".join(chat_chunks("x" * 100_000, size=100_000)))
    made = server([stream], b"gzip", max_event=10_000)
    assert b'"code": 502' in (await made.post(chat_request(stream=True))).body


@pytest.mark.parametrize("encoding", [b"", b"identity", b" Identity "])
@pytest.mark.parametrize(("content", "status"), [(GOOD, 200), (BAD, 500)])
async def test_no_encoding_however_it_is_written(
    encoding: bytes, content: str, status: int
) -> None:
    reply = await server(chat_reply(content), encoding).post(chat_request())
    assert reply.status == status
