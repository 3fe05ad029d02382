"""What happens to a request before the model sees it."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

import pytest

from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.serving.shapes.failure import unavailable
from tests.support.registry_server import RegistryServer, answering
from tests.support.serving_apps import CHAT, GOOD, Server, chat_reply, chat_request, counted

REQUEST = {
    "type": "object",
    "required": ["model", "messages", "user"],
    "properties": {"temperature": {"type": "number", "maximum": 1}},
}


def server(*checks: dict[str, Any], mode: str = "enforce", **rule: Any) -> Server:
    config: dict[str, Any] = {"rules": [{"input": {"mode": mode, "checks": list(checks)}, **rule}]}
    made = Server(chat_reply(GOOD), **config)
    made.registry.register("request", REQUEST)
    return made


BODY = {"of": "body", "schema": "request"}
TEXT = {"of": "messages", "schema": "user"}


class TestTheBody:
    async def test_a_valid_request_reaches_the_app_byte_for_byte(self) -> None:
        app = server(BODY)
        sent = b' {"model": "tiny",  "messages": [], "user": "me"}\n'
        reply = await app.post(sent)
        assert (reply.status, app.requests) == (200, [sent])
        assert reply.headers["x-schema-valid"] == "true"
        assert reply.headers["x-schema"] == "request@1"

    async def test_an_invalid_one_gets_the_servers_own_error_before_inference(self) -> None:
        app = server(BODY)
        reply = await app.post(chat_request(user="me", temperature=7))
        assert reply.status == 400
        assert reply.headers["content-type"] == "application/json"
        error = reply.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["type"], error["code"]) == ("BadRequestError", 400)
        assert error["param"] == "body.temperature"
        assert "request@1" in error["message"]
        assert "7" not in error["message"]
        assert app.requests == []

    async def test_a_missing_field_is_named_itself(self) -> None:
        reply = await server(BODY).post(chat_request())
        assert reply.json["error"]["param"] == "body.user"

    async def test_under_warn_it_passes_and_the_verdict_is_in_the_headers(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = server(BODY, mode="warn")
        before = counted("invalid", "input", "request")
        reply = await app.post(chat_request(temperature=9))
        assert reply.status == 200
        assert reply.headers["x-schema-valid"] == "false"
        assert reply.headers["x-schema-errors"] == "2"
        assert counted("invalid", "input", "request") == before + 1
        assert "rule rule-1, body: does not satisfy request@1" in caplog.text

    async def test_off_judges_nothing(self) -> None:
        app = server(BODY, mode="off")
        reply = await app.post(chat_request())
        assert (reply.status, len(app.requests)) == (200, 1)
        assert "x-schema" not in reply.headers


class TestMessages:
    async def test_the_last_user_message_is_judged_as_json(self) -> None:
        app = server(TEXT)
        request = chat_request()
        request["messages"] = [
            {"role": "user", "content": "no JSON, but not the last"},
            {"role": "user", "content": GOOD},
            {"role": "assistant", "content": "nor from the user"},
        ]
        assert (await app.post(request)).status == 200

    async def test_the_error_names_the_message(self) -> None:
        reply = await server(TEXT).post(chat_request('{"name": "Ann"}'))
        assert reply.json["error"]["param"] == "body.messages.0.content"
        assert 'lacks the required property "age"' in reply.json["error"]["message"]

    async def test_text_that_is_no_json_is_invalid(self) -> None:
        reply = await server(TEXT).post(chat_request("Who?"))
        assert reply.status == 400
        assert "not JSON" in reply.json["error"]["message"]

    @pytest.mark.parametrize("roles", [["user"], ["developer"]])
    async def test_no_message_to_judge_is_no_way_round(self, roles: list[str]) -> None:
        app = server({**TEXT, "roles": roles})
        assert (await app.post({"model": "tiny", "messages": []})).status == 400

    async def test_all_messages_can_be_judged(self) -> None:
        app = server({**TEXT, "which": "all"})
        request = chat_request()
        request["messages"] = [{"role": "user", "content": text} for text in (GOOD, "no", GOOD)]
        reply = await app.post(request)
        assert reply.json["error"]["param"] == "body.messages.1.content"

    async def test_text_parts_are_read_as_one_text(self) -> None:
        parts = [
            {"type": "text", "text": GOOD[:9]},
            {"type": "image_url", "image_url": {"url": "data:"}},
            {"type": "text", "text": GOOD[9:]},
        ]
        assert (await server(TEXT).post(chat_request(parts))).status == 200

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/v1/completions", {"prompt": GOOD}),
            ("/v1/completions", {"prompt": [GOOD, GOOD]}),
            ("/v1/responses", {"input": GOOD}),
            ("/v1/responses", {"input": [{"role": "user", "content": GOOD}]}),
            (
                "/v1/responses",
                {"input": [{"role": "user", "content": [{"type": "input_text", "text": GOOD}]}]},
            ),
            ("/v1/messages", {"messages": [{"role": "user", "content": GOOD}]}),
            (
                "/v1/messages",
                {"messages": [{"role": "user", "content": [{"type": "text", "text": GOOD}]}]},
            ),
        ],
    )
    async def test_every_endpoint_has_its_own_place_for_text(
        self, path: str, body: dict[str, Any]
    ) -> None:
        app = server(TEXT)
        assert (await app.post({"model": "tiny", **body}, path)).status == 200
        broken = json.loads(json.dumps(body).replace("age", "years"))
        assert (await app.post({"model": "tiny", **broken}, path)).status == 400

    async def test_token_ids_are_no_text(self) -> None:
        reply = await server(TEXT).post({"model": "tiny", "prompt": [1, 2]}, "/v1/completions")
        assert reply.json["error"]["param"] == "body.prompt"

    async def test_the_messages_endpoint_has_an_error_shape_of_its_own(self) -> None:
        reply = await server(TEXT).post(chat_request("no"), "/v1/messages")
        assert reply.json["type"] == "error"
        assert set(reply.json["error"]) == {"type", "message"}


class TestFields:
    FIELD: ClassVar[dict[str, Any]] = {"of": "/metadata/who", "schema": "user"}

    async def test_a_field_is_judged_where_it_is_there(self) -> None:
        app = server(self.FIELD)
        good = chat_request(metadata={"who": json.loads(GOOD)})
        assert (await app.post(good)).status == 200
        assert (await app.post(chat_request())).status == 200
        reply = await app.post(chat_request(metadata={"who": {"name": "Ann", "age": -1}}))
        assert reply.json["error"]["param"] == "body.metadata.who.age"

    async def test_a_required_one_must_be_there(self) -> None:
        reply = await server({**self.FIELD, "required": True}).post(chat_request())
        assert reply.json["error"]["param"] == "body.metadata.who"

    async def test_a_field_can_hold_json_as_text(self) -> None:
        app = server({**self.FIELD, "json_text": True})
        assert (await app.post(chat_request(metadata={"who": GOOD}))).status == 200
        assert (await app.post(chat_request(metadata={"who": json.loads(GOOD)}))).status == 400


class TestWhatTheServerWouldTake:
    """``json.loads`` on the body's bytes decides, as in the server."""

    def number(self) -> Server:
        made = Server({}, rules=[{"input": {"checks": [{"schema": "number"}]}}])
        made.registry.register("number", {"properties": {"n": {"type": "integer"}}})
        return made

    async def test_a_byte_order_mark(self) -> None:
        assert (await self.number().post(b'\xef\xbb\xbf{"n": 1}')).status == 200
        assert (await self.number().post(b'\xef\xbb\xbf{"n": "x"}')).status == 400

    async def test_utf_16(self) -> None:
        assert (await self.number().post('{"n": "x"}'.encode("utf-16"))).status == 400

    async def test_the_last_of_duplicate_keys(self) -> None:
        assert (await self.number().post(b'{"n": "x", "n": 1}')).status == 200
        assert (await self.number().post(b'{"n": 1, "n": "x"}')).status == 400

    async def test_nan_is_read_and_is_a_violation(self) -> None:
        app = self.number()
        app.registry.register("any", {"properties": {"n": {"minimum": 0}}})
        assert (await app.post(b'{"n": NaN}')).status == 400

    @pytest.mark.parametrize(
        "body",
        [b"{", b"", b"\xff", b'{"n": 1} x', b"[" * 100_000, b'{"n": ' + b"9" * 5000 + b"}"],
    )
    async def test_what_nobody_can_read_is_refused_in_the_servers_shape(self, body: bytes) -> None:
        app = self.number()
        reply = await app.post(body)
        assert (reply.status, reply.json["error"]["param"], app.requests) == (400, "body", [])

    async def test_a_rule_that_only_warns_leaves_it_to_the_server_and_counts_it(self) -> None:
        app = Server({}, rules=[{"input": {"mode": "warn", "checks": [{"schema": "user"}]}}])
        before = counted("unjudged", "input", "unknown")
        assert (await app.post(b"{")).status == 200
        assert (await app.post(b"{}", headers={"content-type": "text/plain"})).status == 200
        assert counted("unjudged", "input", "unknown") == before + 2

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "TEXT/Plain; charset=utf-8",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "application/xml; json",
            "application/octet-stream",
        ],
    )
    async def test_another_content_type_is_no_way_round(self, content_type: str) -> None:
        app = self.number()
        reply = await app.post(b'{"n": "x"}', headers={"content-type": content_type})
        assert (reply.status, reply.json["error"]["code"], app.requests) == (415, 415, [])

    async def test_no_content_type_is_json(self) -> None:
        made = {"content-length": "10"}
        for headers in (made, {**made, "content-type": ""}):
            app = self.number()
            sent: list[Any] = [{"type": "http.request", "body": b'{"n": "x"}'}]
            assert (await app.exchange(sent, headers=headers)).status == 400
            assert app.requests == []

    @pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip"])
    async def test_a_compressed_body_is_refused(self, encoding: str) -> None:
        app = self.number()
        reply = await app.post(b'{"n": 1}', headers={"content-encoding": encoding})
        assert (reply.status, app.requests) == (415, [])
        assert (await app.post(b'{"n": 1}', headers={"content-encoding": "identity"})).status == 200

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "QUERY", "GET", "HEAD"])
    async def test_another_method_is_no_way_round(self, method: str) -> None:
        assert (await self.number().post(b'{"n": "x"}', method=method)).status == 400

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
    async def test_one_without_a_body_passes_however_its_end_is_told(self, method: str) -> None:
        for pieces in ([b""], [b"", b""], [b"", b"", b""]):
            made = server(TEXT)
            assert (await made.post(pieces=pieces, method=method)).status == 200
        late = await server(TEXT).post(pieces=[b"", b"{}"], method=method)
        assert late.status == 400

    async def test_a_method_that_is_overridden_is_judged(self) -> None:
        headers = {"x-http-method-override": "POST"}
        bad = b'{"n": "x"}'
        assert (await self.number().post(bad, method="GET", headers=headers)).status == 400
        assert (await self.number().post(b"", method="DELETE")).status == 200

    @pytest.mark.parametrize(
        "content_type", ["application/json; charset=utf-8", "Application/JSON"]
    )
    async def test_json_has_more_than_one_name(self, content_type: str) -> None:
        headers = {"content-type": content_type}
        assert (await self.number().post(b'{"n": "x"}', headers=headers)).status == 400

    async def test_an_app_that_takes_any_content_type_can_be_judged_whatever_it_says(self) -> None:
        rules = [{"input": {"checks": [{"schema": "number"}]}}]
        app = Server({}, registry=self.number().registry, content_types="any", rules=rules)
        headers = {"content-type": "text/plain"}
        assert (await app.post(b'{"n": "x"}', headers=headers)).status == 400
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert (await app.post(b'{"n": 1}', headers=headers)).status == 415, "it reads otherwise"


class TestPieces:
    async def test_a_body_in_pieces_is_judged_whole_and_arrives_whole(self) -> None:
        app = server(TEXT)
        data = json.dumps(chat_request(GOOD)).encode()
        pieces = [data[:7], b"", data[7:20], data[20:]]
        assert (await app.post(pieces=pieces)).status == 200
        assert app.requests == [data]
        bad = json.dumps(chat_request("no")).encode()
        assert (await app.post(pieces=[bad[:7], bad[7:]])).status == 400

    async def test_too_large_a_body_gets_413_and_is_read_no_further(self) -> None:
        rules = [{"input": {"checks": [{"schema": "user"}]}}]
        app = Server({}, max_body=100, rules=rules)
        for pieces in ([b"x" * 101], [b"x" * 60, b"x" * 60, b"never read"]):
            reply = await app.post(pieces=pieces, headers={"content-length": "?"})
            assert reply.status == 413
            assert reply.json["error"]["code"] == 413
        assert app.requests == []

    async def test_a_size_that_is_announced_is_enough(self) -> None:
        rules = [{"input": {"checks": [{"schema": "user"}]}}]
        app = Server({}, max_body=100, rules=rules)
        for announced in ("101", "9" * 5000, "0" * 5000 + "101"):
            reply = await app.post(pieces=[b"{", b"}"], headers={"content-length": announced})
            assert reply.status == 413
        reply = await app.post(pieces=[b"{", b"}"], headers={"content-length": "0" * 5000 + "2"})
        assert reply.status == 400

    async def test_a_client_that_leaves_halfway_is_the_apps_to_notice(self) -> None:
        app = server(BODY)
        before = counted("invalid", "input", "request")
        await app.exchange([{"type": "http.request", "body": b'{"mod', "more_body": True}])
        assert (app.requests, app.disconnects) == ([b'{"mod'], 1)
        assert counted("invalid", "input", "request") == before

    async def test_after_the_body_the_app_waits_for_what_really_comes(self) -> None:
        seen: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.extend([(await receive())["type"] for _ in range(3)])

        made = server(BODY)
        made.middleware.app = app
        body = json.dumps(chat_request(user="me")).encode()
        await made.exchange([{"type": "http.request", "body": body}], CHAT)
        assert seen == ["http.request", "http.disconnect", "http.disconnect"]


class TestHostileJson:
    """Each ends in a clean 400, and the server goes on."""

    @pytest.mark.parametrize(
        "value",
        [
            b"[" * 900 + b"]" * 900,
            b'{"n":' * 300 + b"1" + b"}" * 300,
            b"[" * 200_000,
            b"9" * 4300,
            b"9" * 5000,
            b"-1e999999999",
            b"NaN",
            b"Infinity",
            b'"\\ud800"',
            b"[" + b"1," * 100_000 + b"1]",
            b"[" + b"[]," * 30_000 + b"1]",
        ],
        ids=lambda value: value[:12].decode(),
    )
    @pytest.mark.parametrize("of", ["body", "/n", "messages"])
    async def test_wherever_it_stands(self, value: bytes, of: str) -> None:
        small = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}}
        check = {"of": of, "schema": "small" if of == "body" else "number"}
        app = Server({}, rules=[{"input": {"checks": [check]}}])
        app.registry.register("small", small)
        app.registry.register("number", {"type": "integer", "maximum": 9})
        body = b'{"n": ' + value + b"}"
        if of == "messages":
            body = json.dumps(chat_request(value.decode())).encode()
        reply = await app.post(body)
        assert (reply.status, app.requests) == (400, [])
        assert len(reply.body) < 2000
        assert (
            await app.post(b'{"n": 1, "messages": [{"role": "user", "content": "1"}]}')
        ).status == 200

    async def test_where_the_body_would_be_written_anew(self) -> None:
        deep = b"[" * 900 + b"]" * 900
        tool = b'{"function": {"name": "x", "parameters": {"$ref": "schema:user"}}}'
        app = Server({}, rules=[{"fill_tools": ["user"]}])
        reply = await app.post(b'{"tools": [' + tool + b'], "n": ' + deep + b"}")
        assert reply.status in (200, 400)
        assert len(app.requests) == (reply.status == 200)


class TestNothingToJudgeBy:
    @pytest.mark.parametrize(
        ("wait", "said"),
        [(0.0, "1"), (0.2, "1"), (7.1, "8"), (3e11, "3600"), (math.inf, "3600"), (math.nan, "1")],
    )
    def test_how_long_to_wait_is_bounded(self, wait: float, said: str) -> None:
        failure = unavailable(RegistryUnavailable("away", retry_after=wait))
        assert dict(failure.headers)[b"retry-after"] == said.encode()

    @pytest.mark.parametrize(
        "retry_after", ["9" * 310, "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 5000]
    )
    async def test_what_the_registry_says_of_it_is_no_error(self, retry_after: str) -> None:
        from llm_integrations.core.config import RetryOptions
        from llm_integrations.core.registry import connect

        remote = RegistryServer(fault=answering(503, {}, retry_after=retry_after))
        remote.start()
        try:
            registry = connect(remote.url, retry=RetryOptions(attempts=1))
            app = Server({}, registry=registry, rules=[{"input": {"checks": [{"schema": "user"}]}}])
            reply = await app.post()
        finally:
            remote.stop()
        assert reply.status == 503
        assert 1 <= int(reply.headers["retry-after"]) <= 3600

    def down(self, **side: Any) -> Server:
        from llm_integrations.core.config import RetryOptions
        from llm_integrations.core.registry import connect

        registry = connect("http://127.0.0.1:9", retry=RetryOptions(attempts=1), timeout=1)
        rules = [{"input": {"checks": [{"schema": "user"}], **side}}]
        return Server(chat_reply(GOOD), registry=registry, rules=rules)

    async def test_enforce_answers_503_with_retry_after_never_400(self) -> None:
        reply = await self.down().post()
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert reply.json["error"]["code"] == 503

    async def test_warn_lets_it_pass_counted_as_unjudged(self) -> None:
        before = counted("unjudged", "input", "unknown")
        reply = await self.down(mode="warn").post()
        assert (reply.status, reply.headers["x-schema-valid"]) == (200, "unjudged")
        assert counted("unjudged", "input", "unknown") == before + 1

    async def test_on_unavailable_decides_where_it_is_given(self) -> None:
        assert (await self.down(on_unavailable="pass").post()).status == 200
        assert (await self.down(mode="warn", on_unavailable="raise").post()).status == 503

    async def test_a_rules_schema_that_has_gone_is_an_error_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = server({"schema": "gone"})
        assert (await app.post()).status == 503
        app = server({"schema": "gone"}, mode="warn")
        assert (await app.post()).status == 200
        assert [r.levelname for r in caplog.records] == ["ERROR", "ERROR"]

    async def test_a_judge_that_fails_is_no_verdict(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from llm_integrations.core.validation import Validator

        def fail(self: object, data: object) -> None:
            raise MemoryError("secret")

        monkeypatch.setattr(Validator, "validate", fail)
        assert (await server(TEXT).post(chat_request(GOOD))).status == 503
        assert (await server(TEXT, mode="warn").post(chat_request(GOOD))).status == 200


MISFORMED: dict[str, tuple[str, Any, str]] = {
    "text": (CHAT, {"messages": "bad"}, "messages"),
    "an object": (CHAT, {"messages": {"role": "user", "content": GOOD}}, "messages"),
    "a list of texts": (CHAT, {"messages": ["bad"]}, "messages"),
    "nothing": (CHAT, {"model": "tiny"}, "messages"),
    "null": ("/v1/messages", {"messages": None}, "messages"),
    "a number": ("/v1/completions", {"prompt": 7}, "prompt"),
    "an input": ("/v1/responses", {"input": {"text": GOOD}}, "input"),
    "no object": (CHAT, [1], "messages"),
    "an invocation": ("/invocations", {"messages": "bad"}, "messages"),
}


class TestWhatNoServerTakes:
    @pytest.mark.parametrize("name", MISFORMED)
    async def test_is_a_bad_request_that_names_the_field(self, name: str) -> None:
        path, body, field = MISFORMED[name]
        before = counted("invalid", "input")
        app = server(TEXT)
        reply = await app.post(json.dumps(body).encode(), path)
        assert (reply.status, app.requests) == (400, [])
        if path != "/v1/messages":
            assert reply.json["error"]["param"] == f"body.{field}"
        assert counted("invalid", "input") == before + 1

    async def test_passes_under_warn(self) -> None:
        app = server(TEXT, mode="warn")
        assert (await app.post({"messages": "bad"})).status == 200
