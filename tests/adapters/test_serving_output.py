"""What happens to an answer that comes in one piece."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any, ClassVar

import pytest

from llm_integrations.serving.rules.plan import REUSED_SECONDS
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Server,
    chat_reply,
    chat_request,
    counted,
    registry_with_user,
)


def rules(**output: Any) -> dict[str, Any]:
    return {"rules": [{"output": {"schema": "user", **output}}]}


class TestWarn:
    async def test_a_valid_answer_goes_out_byte_for_byte_with_its_verdict(self) -> None:
        sent = json.dumps(chat_reply(GOOD), indent=1).encode()
        before = counted("valid")
        reply = await Server(sent, **rules()).post()
        assert (reply.status, reply.body) == (200, sent)
        assert reply.headers["x-schema"] == "user@1"
        assert reply.headers["x-schema-valid"] == "true"
        assert "x-schema-errors" not in reply.headers
        assert counted("valid") == before + 1

    async def test_an_invalid_one_goes_out_too_logged_and_counted(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = counted("invalid")
        reply = await Server(chat_reply(BAD), **rules()).post()
        assert reply.json == chat_reply(BAD)
        assert reply.headers["x-schema-valid"] == "false"
        assert reply.headers["x-schema-errors"] == "1"
        assert counted("invalid") == before + 1
        assert "serving output, rule rule-1, choice 0: does not satisfy user@1: /age" in caplog.text
        assert "old" not in caplog.text
        assert caplog.records[0].__dict__["llmi_schema"] == "user@1"

    async def test_the_pieces_of_a_reply_stay_as_they_were(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for number, piece in enumerate(pieces):
                more = number + 1 < len(pieces)
                await send({"type": "http.response.body", "body": piece, "more_body": more})

        body = json.dumps(chat_reply(GOOD)).encode()
        pieces = [body[:10], body[10:11], b"", body[11:]]
        server = Server(**rules())
        server.middleware.app = app
        assert (await server.post()).pieces == pieces


class TestEnforce:
    async def test_an_invalid_answer_is_replaced_by_an_error(self) -> None:
        reply = await Server(chat_reply(BAD), **rules(mode="enforce")).post()
        assert reply.status == 500
        error = reply.json["error"]
        assert (error["type"], error["code"], error["param"]) == ("InvalidOutputError", 500, None)
        assert "user@1" in error["message"]
        assert "old" not in reply.body.decode()
        assert reply.headers["x-schema-valid"] == "false"
        assert reply.headers["content-length"] == str(len(reply.body))

    async def test_clients_are_told_not_to_repeat_it_by_themselves(self) -> None:
        reply = await Server(chat_reply(BAD), **rules(mode="enforce")).post()
        assert reply.headers["x-should-retry"] == "false"

    async def test_one_invalid_choice_is_enough(self) -> None:
        server = Server(chat_reply(GOOD, BAD, GOOD), **rules(mode="enforce"))
        assert (await server.post(chat_request(n=3))).status == 500

    @pytest.mark.parametrize("content", [None, "", "Sure! Here you are", "[" * 5000, "NaN"])
    async def test_what_is_no_json_is_invalid(self, content: str | None) -> None:
        assert (await Server(chat_reply(content), **rules(mode="enforce")).post()).status == 500

    async def test_off_judges_nothing(self) -> None:
        reply = await Server(chat_reply(BAD), **rules(mode="off")).post()
        assert (reply.status, "x-schema" in reply.headers) == (200, False)


class TestRetry:
    async def test_the_model_is_asked_once_more(self) -> None:
        server = Server(chat_reply(BAD), chat_reply(GOOD), **rules(retries=1))
        body = json.dumps(chat_request()).encode()
        invalid = counted("invalid")
        reply = await server.post(body)
        assert reply.json == chat_reply(GOOD)
        assert reply.headers["x-schema-valid"] == "true"
        assert server.requests[0] == body
        assert counted("invalid") == invalid + 1

    @pytest.mark.parametrize(("mode", "status"), [("warn", 200), ("enforce", 500)])
    async def test_still_invalid_follows_the_mode(self, mode: str, status: int) -> None:
        server = Server(chat_reply(BAD), **rules(retries=1, mode=mode))
        reply = await server.post()
        assert (reply.status, len(server.requests)) == (status, 2)
        assert reply.headers["x-schema-errors"] == "1"

    async def test_a_client_that_has_left_gets_no_second_answer(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            calls.append(await receive())
            await receive()
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            body = json.dumps(chat_reply(BAD)).encode()
            await send({"type": "http.response.body", "body": body})

        calls: list[Any] = []
        server = Server(**rules(retries=1))
        server.middleware.app = app
        await server.post()
        assert len(calls) == 1


class TestTheTokenLimit:
    CUT = GOOD[:12]

    async def test_a_cut_answer_is_judged_as_it_is(self, caplog: pytest.LogCaptureFixture) -> None:
        server = Server(chat_reply(self.CUT, finish="length"), **rules())
        assert (await server.post()).headers["x-schema-valid"] == "false"
        assert "choice 0, cut by the token limit" in caplog.text
        whole = Server(chat_reply(GOOD, finish="length"), **rules(mode="enforce"))
        assert (await whole.post()).status == 200

    async def test_or_left_unjudged(self) -> None:
        before = counted("unjudged")
        server = Server(
            chat_reply(self.CUT, finish="length"), **rules(mode="enforce", on_length="skip")
        )
        reply = await server.post()
        assert (reply.status, reply.headers["x-schema-valid"]) == (200, "unjudged")
        assert counted("unjudged") == before + 1

    async def test_or_never_valid(self) -> None:
        server = Server(
            chat_reply(GOOD, finish="length"), **rules(mode="enforce", on_length="invalid")
        )
        assert (await server.post()).status == 500


class TestToolCalls:
    CALL: ClassVar[dict[str, Any]] = {
        "id": "1",
        "type": "function",
        "function": {"name": "save", "arguments": ""},
    }
    TOOL: ClassVar[dict[str, Any]] = {
        "type": "function",
        "function": {"name": "save", "parameters": {}},
    }

    def call(self, arguments: str, name: str = "save") -> list[dict[str, Any]]:
        function = {"name": name, "arguments": arguments}
        return [{"id": "1", "type": "function", "function": function}]

    def server(self, *replies: Any, **output: Any) -> Server:
        output = {"mode": "enforce", "tools": {"save": "user"}, **output}
        return Server(*replies, rules=[{"output": output}])

    async def test_arguments_are_judged_by_the_tools_schema(self) -> None:
        request = chat_request(tools=[self.TOOL])
        good = self.server(chat_reply(None, calls=self.call(GOOD), finish="tool_calls"))
        assert (await good.post(request)).status == 200
        bad = self.server(chat_reply(None, calls=self.call(BAD), finish="tool_calls"))
        assert (await bad.post(request)).status == 500
        cut = self.server(chat_reply(None, calls=self.call(GOOD[:9]), finish="length"))
        assert (await cut.post(request)).status == 500

    async def test_another_tools_are_not(self) -> None:
        server = self.server(chat_reply(None, calls=self.call(BAD, "other")))
        assert (await server.post(chat_request(tools=[self.TOOL]))).status == 200

    async def test_text_beside_a_call_is_only_talk(self) -> None:
        server = self.server(chat_reply("Saving!", calls=self.call(GOOD)), schema="user")
        assert (await server.post(chat_request(tools=[self.TOOL]))).status == 200

    async def test_a_request_without_the_tool_needs_no_schema_of_it(self) -> None:
        server = self.server(chat_reply("Hi"), tools={"save": "gone"})
        assert (await server.post()).status == 200

    async def test_the_other_endpoints_write_calls_their_own_way(self) -> None:
        tool = {"type": "function", "name": "save", "parameters": {}, "input_schema": {}}
        item = {"type": "function_call", "name": "save", "arguments": BAD}
        reply: dict[str, Any] = {"status": "completed", "output": [item]}
        request = {"model": "tiny", "tools": [tool]}
        assert (await self.server(reply).post(request, "/v1/responses")).status == 500
        block = {"type": "tool_use", "name": "save", "input": json.loads(BAD)}
        reply = {"type": "message", "content": [block], "stop_reason": "tool_use"}
        assert (await self.server(reply).post(request, "/v1/messages")).status == 500
        block["input"] = json.loads(GOOD)
        assert (await self.server(reply).post(request, "/v1/messages")).status == 200


class TestEndpoints:
    @pytest.mark.parametrize(("content", "status"), [(GOOD, 200), (BAD, 500)])
    async def test_completions(self, content: str, status: int) -> None:
        reply = {"choices": [{"index": 0, "text": content, "finish_reason": "stop"}]}
        server = Server(reply, **rules(mode="enforce"))
        assert (await server.post({"prompt": "x"}, "/v1/completions")).status == status

    @pytest.mark.parametrize(("content", "status"), [(GOOD, 200), (BAD, 500)])
    async def test_responses(self, content: str, status: int) -> None:
        parts = [{"type": "output_text", "text": content}]
        thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
        reply = {
            "status": "completed",
            "output": [thought, {"type": "message", "content": parts}],
        }
        server = Server(reply, **rules(mode="enforce"))
        assert (await server.post({"input": "x"}, "/v1/responses")).status == status

    async def test_a_response_cut_by_the_token_limit(self) -> None:
        parts = [{"type": "output_text", "text": GOOD[:9]}]
        reply = {
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [{"type": "message", "content": parts}],
        }
        server = Server(reply, **rules(mode="enforce", on_length="skip"))
        assert (await server.post({"input": "x"}, "/v1/responses")).status == 200

    async def test_a_response_for_later_is_no_way_round(self) -> None:
        queued = {"status": "queued", "output": []}
        request = {"input": "x", "background": True}
        server = Server(queued, **rules(mode="enforce"))
        reply = await server.post(request, "/v1/responses")
        assert (reply.status, reply.json["error"]["param"]) == (400, "body.background")
        assert (await Server(queued, **rules()).post(request, "/v1/responses")).status == 200

    @pytest.mark.parametrize(("content", "status"), [(GOOD, 200), (BAD, 500)])
    async def test_messages(self, content: str, status: int) -> None:
        blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": content}]
        reply = {"type": "message", "content": blocks, "stop_reason": "end_turn"}
        server = Server(reply, **rules(mode="enforce"))
        assert (await server.post(chat_request(), "/v1/messages")).status == status

    @pytest.mark.parametrize(("content", "status"), [(GOOD, 200), (BAD, 500)])
    async def test_any_other_path_is_plain_json(self, content: str, status: int) -> None:
        config: dict[str, Any] = {
            "rules": [{"paths": ["/predict"], **rules(mode="enforce")["rules"][0]}]
        }
        server = Server(json.loads(content), **config)
        assert (await server.post({}, "/predict")).status == status


class TestTooLargeAnAnswer:
    LARGE: ClassVar[bytes] = json.dumps({**chat_reply(GOOD), "note": "x" * 500}).encode()

    def server(self, mode: str, **output: Any) -> Server:
        rule = {"output": {"schema": "user", "mode": mode, **output}}
        return Server(self.LARGE, max_answer=300, rules=[rule])

    async def test_is_502_in_the_servers_shape_under_enforce(self) -> None:
        before = counted("unjudged", subject="unknown")
        reply = await self.server("enforce", retries=1).post()
        assert (reply.status, reply.json["error"]["code"]) == (502, 502)
        assert "300 bytes" in reply.json["error"]["message"]
        assert reply.headers["x-schema-valid"] == "unjudged"
        assert reply.headers["x-should-retry"] == "false"
        assert counted("unjudged", subject="unknown") == before + 1

    async def test_passes_as_it_is_under_warn(self) -> None:
        reply = await self.server("warn").post()
        assert (reply.status, reply.body) == (200, self.LARGE)
        assert reply.headers["x-schema-valid"] == "unjudged"

    @pytest.mark.parametrize(("mode", "status"), [("warn", 200), ("enforce", 502)])
    async def test_whatever_its_pieces_and_the_case_of_its_headers(
        self, mode: str, status: int
    ) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            headers = [(b"Content-Type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for byte in self.LARGE:
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        made = self.server(mode)
        made.middleware.app = app
        reply = await made.post()
        assert reply.status == status
        assert (reply.body == self.LARGE) is (mode == "warn")


class TestRepliesThatNobodyJudges:
    @pytest.mark.parametrize("reply", [{}, {"choices": []}, [], "text", {"choices": [3]}])
    async def test_a_reply_without_answers_is_unjudged(self, reply: Any) -> None:
        before = counted("unjudged", subject="unknown")
        sent = json.dumps(reply).encode()
        assert (await Server(sent, **rules(mode="enforce")).post()).status == 500
        assert (await Server(sent, **rules()).post()).body == sent
        assert counted("unjudged", subject="unknown") == before + 2

    @pytest.mark.parametrize("status", [400, 401, 404, 422, 500, 503])
    async def test_errors_of_the_server_pass_untouched(self, status: int) -> None:
        error = {"error": {"message": "no", "type": "x", "param": None, "code": status}}
        server = Server((status, error), **rules(mode="enforce"))
        reply = await server.post()
        assert (reply.status, reply.json) == (status, error)
        assert "x-schema-valid" not in reply.headers

    async def test_null_is_what_a_client_that_left_is_told_and_no_invalid_answer(self) -> None:
        before = counted("invalid")
        reply = await Server(b"null", **rules(mode="enforce")).post()
        assert (reply.status, reply.body) == (200, b"null")
        assert counted("invalid") == before

    @pytest.mark.parametrize(("mode", "status"), [("warn", 200), ("enforce", 500)])
    async def test_a_reply_in_an_unknown_form_is_unjudged(self, mode: str, status: int) -> None:
        before = counted("unjudged", subject="unknown")
        assert (await Server(b"not JSON", **rules(mode=mode)).post()).status == status
        assert counted("unjudged", subject="unknown") == before + 1

    async def test_an_app_that_compresses_is_asked_not_to(self) -> None:
        """Once per process the app is called twice, then it is known."""
        plain = json.dumps(chat_reply(GOOD)).encode()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            accepts = b"accept-encoding" in dict(scope["headers"])
            calls.append(accepts)
            headers = [(b"content-type", b"application/json")]
            if accepts:
                headers.append((b"content-encoding", b"gzip"))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            body = gzip.compress(plain) if accepts else plain
            await send({"type": "http.response.body", "body": body})

        calls: list[bool] = []
        server = Server(**rules(mode="enforce"))
        server.middleware.app = app
        for _ in range(2):
            reply = await server.post(headers={"accept-encoding": "gzip"})
            assert (reply.status, reply.body) == (200, plain)
        assert calls == [True, False, False]

    async def test_one_that_compresses_all_the_same_is_unjudged(self) -> None:
        server = Server(gzip.compress(b"{}"), **rules(mode="enforce"))
        server.headers = [(b"content-encoding", b"gzip")]
        assert (await server.post()).status == 500
        assert len(server.requests) == 2

    async def test_what_the_app_raises_stays_the_apps(self) -> None:
        def fail(body: bytes) -> Any:
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await Server(fail, **rules(mode="enforce")).post()


class TestBothSides:
    async def test_the_headers_tell_of_both(self) -> None:
        registry = registry_with_user()
        registry.register("request", {"required": ["user"]})
        checks = [{"schema": "request"}]
        both = [{"input": {"mode": "warn", "checks": checks}, "output": {"schema": "user"}}]
        server = Server(chat_reply(BAD), registry=registry, rules=both)
        reply = await server.post()
        assert reply.headers["x-schema"] == "request@1, user@1"
        assert reply.headers["x-schema-errors"] == "2"

    async def test_a_subject_may_hold_any_character(self) -> None:
        registry = registry_with_user()
        registry.register("käse, brot@x", True)
        server = Server(
            chat_reply(GOOD), registry=registry, rules=[{"output": {"schema": "käse, brot@x@1"}}]
        )
        assert (await server.post()).headers["x-schema"] == "k%C3%A4se%2C brot@x@1"

    async def test_a_request_is_judged_by_one_version_from_start_to_end(self) -> None:
        registry = registry_with_user()

        def change(body: bytes) -> Any:
            registry.register("user", {**registry.get("user").body, "title": "2"})  # type: ignore[dict-item]
            return chat_reply(GOOD)

        server = Server(change, chat_reply(GOOD), registry=registry, **rules())
        assert (await server.post()).headers["x-schema"] == "user@1"
        await asyncio.sleep(REUSED_SECONDS)
        assert (await server.post()).headers["x-schema"] == "user@2"


NO_ANSWER: dict[str, tuple[str, Any]] = {
    "no choices": (CHAT, {"id": 1, "object": "chat.completion"}),
    "choices that are none": (CHAT, {"choices": None}),
    "an empty list of them": (CHAT, {"choices": []}),
    "choices of another form": (CHAT, {"choices": {"0": {"message": {"content": BAD}}}}),
    "no object": (CHAT, json.dumps([chat_reply(GOOD)]).encode()),
    "one choice of another form": (CHAT, {"choices": [*chat_reply(GOOD)["choices"], BAD]}),
    "no text": ("/v1/completions", {"text": GOOD}),
    "a response that is not done": ("/v1/responses", {"status": "in_progress", "output": []}),
    "a response without output": ("/v1/responses", {"id": 1}),
    "a message of no type": ("/v1/messages", {"content": [{"type": "text", "text": GOOD}]}),
    "a batch without choices": ("/v1/chat/completions/batch", {"results": []}),
}


class TestAReplyWithoutAVerdict:
    @pytest.mark.parametrize("name", NO_ANSWER)
    @pytest.mark.parametrize(("mode", "status"), [("warn", 200), ("enforce", 500)])
    async def test_is_counted_and_withheld_under_enforce(
        self, name: str, mode: str, status: int
    ) -> None:
        path, reply = NO_ANSWER[name]
        before = counted("unjudged", subject="unknown")
        answer = await Server(reply, **rules(mode=mode)).post(path=path)
        assert (answer.status, answer.headers["x-schema-valid"]) == (status, "unjudged")
        assert counted("unjudged", subject="unknown") == before + 1

    @pytest.mark.parametrize(("content", "status"), [(GOOD, 200), (BAD, 500)])
    async def test_a_response_needs_no_status_to_be_judged(self, content: str, status: int) -> None:
        part = {"type": "output_text", "text": content}
        reply = {"output": [{"type": "message", "content": [part]}]}
        server = Server(reply, **rules(mode="enforce"))
        assert (await server.post(path="/v1/responses")).status == status


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        (CHAT, {"choices": [{"index": 0, "message": {"content": [
            {"type": "text", "text": GOOD}, {"type": "output_text", "text": BAD}]}}]}),
        ("/v1/responses", {"status": "completed", "output": [{"type": "message", "content": [
            {"type": "text", "text": BAD}, {"type": "output_text", "text": GOOD}]}]}),
        ("/v1/responses", {"status": "completed", "output": [
            {"role": "assistant", "content": [{"type": "output_text", "text": BAD}]},
            {"type": "message", "content": [{"type": "output_text", "text": GOOD}]}]}),
    ],
)  # fmt: skip
async def test_a_text_of_another_kind_beside_a_good_one_is_no_way_round(
    path: str, reply: Any
) -> None:
    made = Server(reply, rules=rules(mode="enforce"))
    assert (await made.post({"messages": [], "input": "x"}, path)).status == 500
