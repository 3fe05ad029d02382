"""What happens to a stream of answers while it passes."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import pytest

from tests.support.serving_apps import (
    BAD,
    GOOD,
    Reply,
    Server,
    chat_chunks,
    chat_request,
    counted,
    events_of,
    sse,
)

STREAM = chat_request(stream=True)


def server(chunks: list[bytes], **output: Any) -> Server:
    return Server(chunks, rules=[{"output": {"schema": "user", **output}}])


def contents(reply: Reply, index: int = 0) -> str:
    choices = [c for e in events_of(reply.body) if e != "[DONE]" for c in e.get("choices", ())]
    return "".join(c["delta"].get("content", "") for c in choices if c["index"] == index)


def finished(reply: Reply) -> list[int]:
    choices = [c for e in events_of(reply.body) if e != "[DONE]" for c in e.get("choices", ())]
    return [c["index"] for c in choices if c["finish_reason"]]


class TestWarn:
    @pytest.mark.parametrize(("content", "outcome"), [(GOOD, "valid"), (BAD, "invalid")])
    async def test_every_chunk_goes_out_as_it_came_and_is_judged_behind(
        self, content: str, outcome: str
    ) -> None:
        chunks = chat_chunks(content)
        before = counted(outcome)
        reply = await server(chunks).post(STREAM)
        assert reply.pieces == [*chunks, b""]
        assert reply.headers["x-schema"] == "user@1"
        assert "x-schema-valid" not in reply.headers
        assert counted(outcome) == before + 1

    async def test_a_chunk_waits_for_nothing(self) -> None:
        """The app sees each chunk gone before it makes the next."""
        out: list[bytes] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for number, chunk in enumerate(chat_chunks(BAD), start=1):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                assert len(out) == number
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        made = server([])
        made.middleware.app = app
        body = {"type": "http.request", "body": json.dumps(STREAM).encode()}

        def on_send(message: Any) -> None:
            if message["type"] == "http.response.body":
                out.append(message["body"])

        await made.exchange([body], on_send=on_send)
        assert len(out) > 5

    async def test_the_choices_of_a_stream_interleave(self) -> None:
        valid, invalid = counted("valid"), counted("invalid")
        await server(chat_chunks(GOOD, BAD, GOOD)).post(STREAM)
        assert (counted("valid"), counted("invalid")) == (valid + 2, invalid + 1)

    async def test_the_finish_chunk_can_carry_content(self) -> None:
        choice = {"index": 0, "delta": {"content": GOOD}, "finish_reason": "stop"}
        before = counted("valid")
        await server([sse({"choices": [choice]}), sse("[DONE]")]).post(STREAM)
        assert counted("valid") == before + 1

    async def test_reasoning_usage_and_keep_alives_are_no_answer(self) -> None:
        thought = {"choices": [{"index": 0, "delta": {"reasoning": "hm"}, "finish_reason": None}]}
        extra = [b": keep-alive\n\n", sse(thought), b": keep-alive\n\n"]
        before = counted("valid")
        reply = await server([*extra, *chat_chunks(GOOD)]).post(STREAM)
        assert reply.pieces[:3] == extra
        assert counted("valid") == before + 1

    async def test_the_token_limit_has_its_own_rule(self) -> None:
        before = counted("unjudged")
        await server(chat_chunks(GOOD[:9], finish="length"), on_length="skip").post(STREAM)
        assert counted("unjudged") == before + 1

    async def test_a_stream_that_breaks_off_is_not_counted(self) -> None:
        before = counted("valid"), counted("invalid")
        for chunks in (
            chat_chunks(BAD)[:3],
            [*chat_chunks(BAD)[:3], sse({"error": {"message": "x"}}), sse("[DONE]")],
        ):
            await server(chunks).post(STREAM)
        assert (counted("valid"), counted("invalid")) == before

    async def test_tool_calls_come_in_fragments(self) -> None:
        def delta(index: int, name: str | None, arguments: str) -> bytes:
            function = {"arguments": arguments, **({"name": name} if name else {})}
            call = {"index": index, "function": function}
            choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
            return sse({"choices": [choice]})

        end = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
        chunks = [delta(0, "save", ""), delta(1, "save", BAD[:5])]
        chunks += [delta(0, None, GOOD[:7]), delta(1, None, BAD[5:]), delta(0, None, GOOD[7:])]
        chunks += [sse({"choices": [end]}), sse("[DONE]")]
        tool = {"type": "function", "function": {"name": "save"}}
        valid, invalid = counted("valid"), counted("invalid")
        made = Server(chunks, rules=[{"output": {"tools": {"save": "user"}}}])
        await made.post({**STREAM, "tools": [tool]})
        assert (counted("valid"), counted("invalid")) == (valid + 1, invalid + 1)


class TestEnforce:
    async def test_a_valid_stream_is_what_the_app_sent(self) -> None:
        chunks = chat_chunks(GOOD, GOOD)
        reply = await server(chunks, mode="enforce").post(STREAM)
        assert reply.pieces == [*chunks, b""]

    async def test_the_finish_is_held_back_and_the_stream_ends_with_the_servers_error(self) -> None:
        reply = await server(chat_chunks(BAD), mode="enforce").post(STREAM)
        *_, error, done = events_of(reply.body)
        assert done == "[DONE]"
        assert set(error["error"]) == {"message", "type", "param", "code"}
        assert error["error"]["type"] == "InvalidOutputError"
        assert contents(reply) == BAD
        assert finished(reply) == []

    async def test_the_other_choices_arrive_whole(self) -> None:
        reply = await server(chat_chunks(GOOD, BAD, BAD, GOOD), mode="enforce").post(STREAM)
        assert finished(reply) == [0, 3]
        assert contents(reply, 3) == GOOD
        assert events_of(reply.body)[-2]["error"]["code"] == 500

    async def test_chunks_before_the_end_wait_for_nothing(self) -> None:
        chunks = chat_chunks(BAD)
        reply = await server(chunks, mode="enforce").post(STREAM)
        assert reply.pieces[: len(chunks) - 3] == chunks[:-3]

    async def test_a_stream_without_done_gets_its_error_all_the_same(self) -> None:
        reply = await server(chat_chunks(BAD)[:-1], mode="enforce").post(STREAM)
        assert "error" in events_of(reply.body)[-2]

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    async def test_events_may_be_cut_anywhere(self, size: int, newline: str) -> None:
        stream = b"".join(chat_chunks(GOOD, BAD)).replace(b"\n", newline.encode())
        pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
        reply = await server(pieces, mode="enforce").post(STREAM)
        reply.pieces = [reply.body.replace(newline.encode(), b"\n")]
        assert contents(reply) == GOOD
        assert finished(reply) == [0]
        assert "error" in events_of(reply.body)[-2]

    async def test_the_last_event_needs_no_blank_line(self) -> None:
        chunks = chat_chunks(BAD)
        chunks[-1] = chunks[-1].rstrip()
        reply = await server(chunks, mode="enforce").post(STREAM)
        assert "error" in events_of(reply.body)[-2]

    async def test_an_event_without_end_is_cut_off(self) -> None:
        chunks = [b"data: " + b"x" * 60, b"x" * 60, b"x" * 60]
        rules = [{"output": {"schema": "user", "mode": "enforce"}}]
        reply = await Server(chunks, max_event=100, rules=rules).post(STREAM)
        assert "error" in events_of(reply.body)[0]
        assert len(reply.pieces) == 1
        watched = Server(chunks, max_event=100, rules=[{"output": {"schema": "user"}}])
        assert (await watched.post(STREAM)).body == b"".join(chunks)

    @pytest.mark.parametrize("mode", ["warn", "enforce"])
    async def test_what_a_server_ends_for_a_client_that_left_is_no_answer(self, mode: str) -> None:
        """vLLM finishes the choices of such a client with the reason "abort"."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while (await receive())["type"] != "http.disconnect":
                continue
            for chunk in chat_chunks(BAD, finish="abort"):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

        made = server([], mode=mode)
        made.middleware.app = app
        before = counted("invalid")
        await made.post(STREAM)
        assert counted("invalid") == before

    async def test_a_disconnect_is_no_invalid_answer(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for chunk in chat_chunks(BAD)[:3]:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            raise asyncio.CancelledError

        made = server([], mode="enforce")
        made.middleware.app = app
        before = counted("invalid")
        with pytest.raises(asyncio.CancelledError):
            await made.post(STREAM)
        assert counted("invalid") == before


def delta(index: int = 0, finish: Any = None, **fields: Any) -> bytes:
    return sse({"choices": [{"index": index, "delta": fields, "finish_reason": finish}]})


def call(arguments: str, name: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"index": 0, "function": function}]}


DONE = sse("[DONE]")
ENDLESS: dict[str, list[bytes]] = {
    "done without finish_reason": [delta(content=GOOD), DONE],
    "an empty finish_reason": [delta(content=GOOD, finish=""), DONE],
    "no done either": [delta(content=GOOD)],
    "cut within an event": [delta(content=GOOD), delta(finish="stop")[:-9]],
    "one choice of two": [delta(content=GOOD), delta(1, content=GOOD), delta(finish="stop"), DONE],
    "a tool call": [delta(**call(GOOD, "save")), DONE],
    "a reason that is none": [delta(content=GOOD, finish="null"), DONE],
    "a choice that only began": [delta(1, role="assistant"), delta(content=GOOD, finish="stop")],
    "a choice of another form": [sse({"choices": [BAD]}), *chat_chunks(GOOD)],
    "no error": [delta(content=GOOD), sse({"error": None}), DONE],
    "more after the finish": [delta(content=GOOD, finish="stop"), delta(content="!"), DONE],
    "two finishes": [delta(content=GOOD, finish="stop"), delta(content=GOOD, finish="stop"), DONE],
    "another form": [sse({"id": 1, "text": GOOD}), DONE],
    "no JSON": [b"data: nothing\n\n", DONE],
    "no JSON after the finish": [delta(content=GOOD, finish="stop"), b"data: {half\n\n", DONE],
    "two objects in one event": [
        delta(content=GOOD, finish="stop"),
        delta(content=GOOD, finish="stop")[:-1] + sse({}),
        DONE,
    ],
    "no object": [delta(content=GOOD, finish="stop"), sse([1]), DONE],
    "more after an error": [sse({"error": "none"}), delta(content=GOOD), DONE],
    "nothing but its end": [DONE],
    "nothing but comments": [b": wait\n\n", b": wait\n\n"],
    "nothing": [b""],
}


class TestAStreamWithoutEnd:
    """Nobody knows whether such an answer is whole: it is as an invalid one."""

    OUTPUT: ClassVar[dict[str, Any]] = {"schema": "user", "tools": {"save": "user"}}
    TOOLS: ClassVar[list[Any]] = [{"type": "function", "function": {"name": "save"}}]

    @pytest.mark.parametrize("name", ENDLESS)
    async def test_is_withheld_and_counted(self, name: str) -> None:
        rules = [{"output": {**self.OUTPUT, "mode": "enforce"}}]
        before = counted("unjudged", subject="unknown")
        reply = await Server(ENDLESS[name], rules=rules).post({**STREAM, "tools": self.TOOLS})
        assert reply.body.count(b"InvalidOutputError") == 1
        assert reply.body.endswith(DONE)
        assert reply.body.count(DONE) == 1
        assert counted("unjudged", subject="unknown") == before + 1

    @pytest.mark.parametrize("more", [{"stream": "hold"}, {"on_invalid": "drop_choice"}, {}])
    async def test_what_follows_a_finish_reaches_nobody(self, more: dict[str, Any]) -> None:
        held = {"stream": "hold", **more} if more else {}
        rules = [{"output": {**self.OUTPUT, **held, "mode": "enforce"}}]
        chunks = [delta(content=GOOD, finish="stop"), delta(content="SECRET"), DONE]
        reply = await Server(chunks, rules=rules).post(STREAM)
        assert b"SECRET" not in reply.body

    @pytest.mark.parametrize("name", ENDLESS)
    async def test_passes_under_warn_and_is_counted(self, name: str) -> None:
        before = counted("unjudged", subject="unknown")
        made = Server(ENDLESS[name], rules=[{"output": self.OUTPUT}])
        reply = await made.post({**STREAM, "tools": self.TOOLS})
        assert reply.body == b"".join(ENDLESS[name])
        assert counted("unjudged", subject="unknown") == before + 1

    async def test_messages_need_a_stop_reason(self) -> None:
        text = {"type": "text_delta", "text": GOOD}
        chunks = [
            sse({"type": "content_block_delta", "index": 0, "delta": text}, "content_block_delta"),
            sse({"type": "message_stop"}, "message_stop"),
        ]
        reply = await server(chunks, mode="enforce").post(STREAM, "/v1/messages")
        assert b"event: error" in reply.body
        assert b"message_stop" not in reply.body

    @pytest.mark.parametrize(
        "more",
        [
            [b"data: {half\n\n"],
            [sse([1])],
        ],
        ids=["no JSON", "no object"],
    )
    async def test_messages_hold_nothing_that_cannot_be_read(self, more: list[bytes]) -> None:
        chunks = [
            sse({"type": "content_block_delta", "delta": {"text": GOOD}}),
            sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
            *more,
            sse({"type": "message_stop"}),
        ]
        reply = await server(chunks, mode="enforce").post(STREAM, "/v1/messages")
        assert reply.body.count(b"InvalidOutputError") == 1

    async def test_messages_that_go_on_after_an_error_need_a_stop_reason_too(self) -> None:
        chunks = [
            sse({"type": "error", "error": {"type": "overloaded_error"}}),
            sse({"type": "content_block_delta", "delta": {"text": GOOD}}),
        ]
        reply = await server(chunks, mode="enforce").post(STREAM, "/v1/messages")
        assert reply.body.count(b"InvalidOutputError") == 1

    async def test_responses_need_a_response(self) -> None:
        for last in ({"type": "response.completed"}, {"response": {"status": "in_progress"}}):
            chunks = [sse(last, "response.completed")]
            reply = await server(chunks, mode="enforce").post(STREAM, "/v1/responses")
            assert b"event: error" in reply.body

    @pytest.mark.parametrize("reason", ["", "null", None])
    async def test_a_reason_on_each_chunk_ends_nothing(self, reason: Any) -> None:
        pieces = [delta(content=text, finish=reason) for text in (GOOD[:5], GOOD[5:9], GOOD[9:])]
        chunks = [*pieces, delta(finish="stop"), delta(finish="stop"), delta(), DONE]
        before = counted("valid"), counted("invalid")
        assert (await server(chunks, mode="enforce").post(STREAM)).body == b"".join(chunks)
        assert (counted("valid"), counted("invalid")) == (before[0] + 1, before[1])

    async def test_text_may_come_in_parts(self) -> None:
        pieces = [delta(content=[{"type": "text", "text": t}]) for t in (BAD[:7], BAD[7:])]
        reply = await server([*pieces, delta(finish="stop"), DONE], mode="enforce").post(STREAM)
        assert b"InvalidOutputError" in reply.body

    @pytest.mark.parametrize("mode", ["warn", "enforce"])
    async def test_a_failure_that_the_server_tells_of_is_enough(self, mode: str) -> None:
        chunks = [delta(content=GOOD), sse({"error": {"message": "x"}}), DONE]
        before = counted("unjudged", subject="unknown")
        assert (await server(chunks, mode=mode).post(STREAM)).body == b"".join(chunks)
        assert counted("unjudged", subject="unknown") == before


async def test_a_stream_that_the_server_would_take_from_a_file_is_withheld() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": "/answers"})

    made = server([], mode="enforce")
    made.middleware.app = app
    assert b"InvalidOutputError" in (await made.post(STREAM)).body


class TestTooLargeAnAnswer:
    CHUNKS: ClassVar[list[bytes]] = [delta(content="x" * 60) for _ in range(3)]

    def server(self, chunks: list[bytes], **output: Any) -> Server:
        return Server(chunks, max_answer=100, rules=[{"output": output}])

    async def test_is_cut_off_under_enforce(self) -> None:
        reply = await self.server(self.CHUNKS, schema="user", mode="enforce").post(STREAM)
        assert "larger than the 100 bytes" in events_of(reply.body)[-2]["error"]["message"]
        assert events_of(reply.body)[-2]["error"]["code"] == 502
        assert reply.body.startswith(self.CHUNKS[0])

    async def test_passes_under_warn_and_is_counted(self) -> None:
        before = counted("unjudged", subject="unknown")
        chunks = [*self.CHUNKS, delta(finish="stop"), DONE]
        assert (await self.server(chunks, schema="user").post(STREAM)).body == b"".join(chunks)
        assert counted("unjudged", subject="unknown") == before + 1

    async def test_what_is_judged_already_is_not_held(self) -> None:
        chunks = [
            piece
            for index in range(9)
            for piece in (delta(index, content=GOOD), delta(index, finish="stop"))
        ]
        made = self.server([*chunks, DONE], schema="user", mode="enforce")
        assert (await made.post(STREAM)).body == b"".join([*chunks, DONE])

    async def test_tool_calls_count_too(self) -> None:
        chunks = [delta(**call("x" * 60, "save")), delta(**call("x" * 60))]
        made = self.server(chunks, schema="user", mode="enforce")
        assert b'"code": 502' in (await made.post(STREAM)).body


class TestTheOtherEndpoints:
    @pytest.mark.parametrize(("content", "fails"), [(GOOD, False), (BAD, True)])
    async def test_completions(self, content: str, fails: bool) -> None:
        chunks = [
            sse({"choices": [{"index": 0, "text": content[:8], "finish_reason": None}]}),
            sse({"choices": [{"index": 0, "text": content[8:], "finish_reason": "stop"}]}),
            sse("[DONE]"),
        ]
        made = server(chunks, mode="enforce")
        reply = await made.post({"prompt": "x", "stream": True}, "/v1/completions")
        assert (b'"error"' in reply.body) is fails
        assert reply.body.endswith(b"data: [DONE]\n\n")

    @pytest.mark.parametrize(("content", "fails"), [(GOOD, False), (BAD, True)])
    async def test_responses_have_named_events_and_no_done(self, content: str, fails: bool) -> None:
        part = {"type": "output_text", "text": content}
        response = {"status": "completed", "output": [{"type": "message", "content": [part]}]}
        chunks = [
            sse({"type": "response.created"}, "response.created"),
            sse(
                {"type": "response.output_text.delta", "delta": content},
                "response.output_text.delta",
            ),
            sse({"type": "response.completed", "response": response}, "response.completed"),
        ]
        made = server(chunks, mode="enforce")
        reply = await made.post({"input": "x", "stream": True}, "/v1/responses")
        assert (b"event: error\n" in reply.body) is fails
        assert (b"event: response.completed\n" in reply.body) is not fails
        assert b"[DONE]" not in reply.body
        if fails:
            error = events_of(reply.body)[-1]
            assert error["type"] == "error"
            assert error["error"]["code"] == 500

    @pytest.mark.parametrize("status", ["completed", "incomplete", None])
    @pytest.mark.parametrize(("content", "fails"), [(GOOD, False), (BAD, True)])
    async def test_responses_may_come_without_names(
        self, content: str, fails: bool, status: str | None
    ) -> None:
        part = {"type": "output_text", "text": content}
        response = {"status": status, "output": [{"type": "message", "content": [part]}]}
        if status is None:
            del response["status"]
        chunks = [
            sse({"type": "response.created"}),
            sse({"type": "response.output_text.delta", "delta": "response.completed"}),
            sse({"type": f"response.{status or 'completed'}", "response": response}),
            sse("[DONE]"),
        ]
        before = counted("invalid" if fails else "valid")
        reply = await server(chunks, mode="enforce").post({"stream": True}, "/v1/responses")
        assert (b"event: error\n" in reply.body) is fails
        assert counted("invalid" if fails else "valid") == before + 1

    async def test_responses_without_names_that_come_to_no_end_are_withheld(self) -> None:
        chunks = [sse({"type": "response.output_text.delta", "delta": BAD}), sse("[DONE]")]
        before = counted("unjudged", subject="unknown")
        reply = await server(chunks, mode="enforce").post({"stream": True}, "/v1/responses")
        assert b"event: error\n" in reply.body
        assert counted("unjudged", subject="unknown") == before + 1

    @pytest.mark.parametrize(("content", "fails"), [(GOOD, False), (BAD, True)])
    async def test_messages_have_blocks(self, content: str, fails: bool) -> None:
        def event(kind: str, **fields: Any) -> bytes:
            return sse({"type": kind, **fields}, kind)

        chunks = [
            event("message_start", message={"content": []}),
            event("content_block_start", index=0, content_block={"type": "thinking"}),
            event(
                "content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "h"}
            ),
            event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
            event(
                "content_block_delta", index=1, delta={"type": "text_delta", "text": content[:7]}
            ),
            event(
                "content_block_delta", index=1, delta={"type": "text_delta", "text": content[7:]}
            ),
            event("content_block_stop", index=1),
            event("message_delta", delta={"stop_reason": "end_turn"}),
            event("message_stop"),
        ]
        reply = await server(chunks, mode="enforce").post(STREAM, "/v1/messages")
        assert (b"event: error\n" in reply.body) is fails
        assert (b"message_stop" in reply.body) is not fails
        assert (b"message_delta" in reply.body) is not fails

    async def test_a_messages_tool_call_comes_as_partial_json(self) -> None:
        def event(kind: str, **fields: Any) -> bytes:
            return sse({"type": kind, **fields}, kind)

        def fragment(text: str) -> bytes:
            delta = {"type": "input_json_delta", "partial_json": text}
            return event("content_block_delta", index=0, delta=delta)

        block = {"type": "tool_use", "name": "save", "input": {}}
        chunks = [
            event("content_block_start", index=0, content_block=block),
            fragment(BAD[:6]),
            fragment(BAD[6:]),
            event("message_delta", delta={"stop_reason": "tool_use"}),
            event("message_stop"),
        ]
        output = {"mode": "enforce", "tools": {"save": "user"}}
        made = Server(chunks, rules=[{"output": output}])
        request = {**STREAM, "tools": [{"name": "save", "input_schema": {}}]}
        assert b"event: error\n" in (await made.post(request, "/v1/messages")).body


@pytest.mark.parametrize(("content", "passes"), [(GOOD, True), (BAD, False)])
@pytest.mark.parametrize("size", [1, 2, 1000])
async def test_a_byte_order_mark_hides_no_event(content: str, passes: bool, size: int) -> None:
    sent = b"\xef\xbb\xbf" + delta(content=content, finish="stop") + DONE
    chunks = [sent[at : at + size] for at in range(0, len(sent), size)]
    reply = await server(chunks, mode="enforce").post(STREAM)
    assert (b"InvalidOutputError" not in reply.body) is passes
    if passes:
        assert reply.body == sent
