"""Held streams, and the invalid choices of several dropped alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Reply,
    Server,
    chat_chunks,
    chat_reply,
    chat_request,
    counted,
    events_of,
    sse,
)

STREAM = chat_request(stream=True, n=3)
HOLD = {"schema": "user", "mode": "enforce", "stream": "hold"}
DROP = {**HOLD, "on_invalid": "drop_choice"}
DONE = sse("[DONE]")


def server(reply: Any, output: dict[str, Any] = HOLD, **config: Any) -> Server:
    return Server(reply, rules=[{"output": output}], **config)


def texts(reply: Reply) -> dict[int, str]:
    """What a client makes of a stream, by choice."""
    found: dict[int, str] = {}
    for event in events_of(reply.body):
        for choice in event.get("choices", ()) if event != "[DONE]" else ():
            text = choice["delta"].get("content", "")
            found[choice["index"]] = found.get(choice["index"], "") + text
    return found


def message_chunks(text: str) -> list[bytes]:
    delta = {"type": "text_delta", "text": text}
    return [
        sse({"type": "message_start", "message": {"content": []}}, "message_start"),
        sse({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta"),
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "message_delta"),
        sse({"type": "message_stop"}, "message_stop"),
    ]


def response_chunks(text: str) -> list[bytes]:
    part = {"type": "output_text", "text": text}
    response = {"status": "completed", "output": [{"type": "message", "content": [part]}]}
    return [
        sse({"type": "response.output_text.delta", "delta": text}, "response.output_text.delta"),
        sse({"type": "response.completed", "response": response}, "response.completed"),
    ]


SHAPES: dict[str, tuple[str, Any]] = {
    "chat": (CHAT, chat_chunks),
    "messages": ("/v1/messages", message_chunks),
    "responses": ("/v1/responses", response_chunks),
    "json": ("/other", lambda text: [sse(text), DONE]),
}


class TestHold:
    @pytest.mark.parametrize("name", SHAPES)
    async def test_a_valid_stream_goes_out_whole_with_its_verdict(self, name: str) -> None:
        path, chunks = SHAPES[name]
        made = Server(chunks(GOOD), rules=[{"output": HOLD, "paths": ["*"]}])
        reply = await made.post(STREAM, path)
        assert (reply.status, reply.body) == (200, b"".join(chunks(GOOD)))
        assert (reply.headers["x-schema"], reply.headers["x-schema-valid"]) == ("user@1", "true")

    @pytest.mark.parametrize("name", [name for name in SHAPES if name != "json"])
    async def test_of_an_invalid_one_nothing_goes_out(self, name: str) -> None:
        path, chunks = SHAPES[name]
        reply = await server(chunks(BAD)).post(STREAM, path)
        assert reply.status == 500
        assert reply.headers["content-type"] == "application/json"
        assert (reply.headers["x-schema-valid"], reply.headers["x-should-retry"]) == (
            "false",
            "false",
        )
        assert reply.json["error"]["type"] == "InvalidOutputError"
        assert b"old" not in reply.body

    async def test_nothing_is_sent_before_the_verdict(self) -> None:
        """The app looks, before it makes each of its chunks, at what has gone out."""
        gone: list[Any] = []
        seen: list[int] = []
        chunks = chat_chunks(GOOD)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"content-type", b"text/event-stream"), (b"content-length", b"999")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for chunk in chunks:
                seen.append(len(gone))
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        made = server([])
        made.middleware.app = app
        body = {"type": "http.request", "body": b'{"stream": true}'}
        reply = await made.exchange([body], on_send=gone.append)
        assert seen[:-2] == [0] * (len(chunks) - 2)
        assert "content-length" not in reply.headers
        assert reply.body == b"".join(chunks)

    async def test_a_choice_that_is_judged_does_not_wait_for_the_others(self) -> None:
        finished = chat_chunks(GOOD)[:-2]
        other = sse({"choices": [{"index": 1, "delta": {"content": BAD}}]})
        end = sse({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]})
        reply = await server([other, *finished, end, DONE]).post(STREAM)
        assert reply.pieces[0] == finished[0] or reply.pieces[0].startswith(finished[0])
        assert texts(reply) == {0: GOOD}
        assert b"InvalidOutputError" in reply.body
        assert reply.body.endswith(DONE)

    @pytest.mark.parametrize("cut", [1, 3, -1, -2])
    async def test_a_stream_without_end_is_withheld(self, cut: int) -> None:
        chunks = chat_chunks(GOOD)
        before = counted("unjudged", subject="unknown")
        reply = await server(chunks[:cut] if cut > 0 else chunks[:-3]).post(STREAM)
        assert reply.status == 500
        assert GOOD[:4].encode() not in reply.body
        assert counted("unjudged", subject="unknown") == before + 1

    async def test_more_than_may_be_held_is_refused(self) -> None:
        reply = await server(chat_chunks(GOOD), max_answer=200).post(STREAM)
        assert (reply.status, reply.json["error"]["code"]) == (502, 502)

    async def test_the_servers_own_failure_is_told(self) -> None:
        error = sse({"error": {"message": "x"}})
        first = sse({"choices": [{"index": 0, "delta": {"content": BAD}}]})
        reply = await server([first, error, DONE]).post(STREAM)
        assert reply.body == error + DONE

    async def test_comments_and_usage_keep_their_place(self) -> None:
        chunks = [b": keep-alive\n\n", *chat_chunks(GOOD)]
        assert (await server(chunks).post(STREAM)).body == b"".join(chunks)

    async def test_under_warn_everything_passes_at_once(self) -> None:
        chunks = chat_chunks(BAD)
        reply = await server(chunks, {**HOLD, "mode": "warn"}).post(STREAM)
        assert reply.pieces == [*chunks, b""]


class TestDropChoice:
    async def test_the_bad_choice_of_several_is_dropped_alone(self) -> None:
        before = counted("valid"), counted("invalid")
        reply = await server(chat_reply(GOOD, BAD, GOOD), DROP).post()
        assert reply.status == 200
        assert [choice["index"] for choice in reply.json["choices"]] == [0, 2]
        assert {**reply.json, "choices": 0} == {**chat_reply(GOOD), "choices": 0}
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert (reply.headers["x-schema-valid"], reply.headers["x-schema-dropped"]) == ("true", "1")
        assert (counted("valid"), counted("invalid")) == (before[0] + 2, before[1] + 1)

    async def test_where_none_is_valid_the_answer_is_withheld(self) -> None:
        for reply in (chat_reply(BAD), chat_reply(BAD, BAD)):
            answer = await server(reply, DROP).post()
            assert answer.status == 500

    async def test_where_all_are_valid_the_reply_is_as_it_came(self) -> None:
        sent = b'{"choices": [' + b", ".join([b'{"message": {"content": "%b"}}'] * 2) + b"]}"
        sent = sent % ((GOOD.replace('"', '\\"').encode(),) * 2)
        reply = await server(sent, DROP).post()
        assert (reply.status, reply.body) == (200, sent)
        assert "x-schema-dropped" not in reply.headers

    async def test_under_warn_nothing_is_dropped(self) -> None:
        reply = await server(chat_reply(GOOD, BAD), {**DROP, "mode": "warn"}).post()
        assert len(reply.json["choices"]) == 2

    async def test_without_it_the_whole_answer_is_withheld(self) -> None:
        assert (await server(chat_reply(GOOD, BAD), HOLD).post()).status == 500

    async def test_of_a_batch_and_of_completions(self) -> None:
        batch = await server(chat_reply(BAD, GOOD), DROP).post(path=f"{CHAT}/batch")
        assert [choice["index"] for choice in batch.json["choices"]] == [1]
        choices = [
            {"index": i, "text": t, "finish_reason": "stop"} for i, t in enumerate((GOOD, BAD))
        ]
        reply = await server({"choices": choices}, DROP).post(path="/v1/completions")
        assert reply.json["choices"] == choices[:1]

    async def test_of_a_held_stream(self) -> None:
        reply = await server(chat_chunks(GOOD, BAD, GOOD), DROP).post(STREAM)
        assert texts(reply) == {0: GOOD, 2: GOOD}
        assert b"error" not in reply.body
        assert reply.body.endswith(DONE)

    async def test_of_events_that_several_choices_share(self) -> None:
        def both(finish: str | None, *contents: str) -> bytes:
            deltas = [{"content": text} for text in contents]
            return sse(
                {
                    "id": "1",
                    "choices": [
                        {"index": i, "delta": d, "finish_reason": finish}
                        for i, d in enumerate(deltas)
                    ],
                }
            )

        chunks = [both(None, GOOD[:5], BAD[:5]), both("stop", GOOD[5:], BAD[5:]), DONE]
        reply = await server(chunks, DROP).post(STREAM)
        assert texts(reply) == {0: GOOD}
        assert events_of(reply.body)[0]["id"] == "1"

    async def test_a_held_stream_of_which_none_is_valid_is_an_error(self) -> None:
        reply = await server(chat_chunks(BAD, BAD), DROP).post(STREAM)
        assert (reply.status, reply.json["error"]["type"]) == (500, "InvalidOutputError")

    async def test_an_unfinished_choice_is_dropped_too(self) -> None:
        other = sse({"choices": [{"index": 1, "delta": {"content": GOOD}}]})
        reply = await server([other, *chat_chunks(GOOD)], DROP).post(STREAM)
        assert texts(reply) == {0: GOOD}
