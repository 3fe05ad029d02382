"""Ways round a rule that are no other path of inference: spellings, answers that are stored, and
paths that nobody knows in front of a URL."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from llm_integrations.serving.upstream.middleware import UpstreamMiddleware
from llm_integrations.vllm import SchemaMiddleware as VLLMMiddleware
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Server,
    chat_chunks,
    chat_reply,
    counted,
    sse,
    started,
)

OUTPUT = {"schema": "user", "mode": "enforce"}
INPUT: dict[str, Any] = {"checks": [{"of": "messages", "schema": "user"}]}
BOTH = {"output": OUTPUT, "input": INPUT}


def response(text: str, **fields: Any) -> dict[str, Any]:
    message = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return {"id": "resp_1", "status": "completed", "output": [message], **fields}


@pytest.mark.parametrize(
    "path",
    [
        f"{CHAT};a=1",
        "/v1;x/chat/completions",
        f"{CHAT}?",
        f"{CHAT}#x",
        f"{CHAT}\0.png",
        f"{CHAT}%00",
        "/v1\\chat\\completions",
        "/v1%5cchat/completions",
    ],
)
@pytest.mark.parametrize("paths", [{}, {"paths": [CHAT]}, {"paths": ["/v1/*"]}], ids=str)
async def test_what_a_server_could_cut_off_or_turn_round_is_no_other_path(
    path: str, paths: dict[str, Any]
) -> None:
    made = Server(chat_reply(BAD), rules=[{"output": OUTPUT, **paths}])
    assert (await made.post(path=path)).status == 500


class TestAnAnswerThatTheServerStored:
    """``GET /v1/responses/ID`` would give what was withheld."""

    @pytest.mark.parametrize(
        ("path", "reply"),
        [
            ("/v1/responses/resp_1", response),
            ("/V1//responses/resp_1/", response),
            ("/openai/v1/responses/resp_1", response),
            ("/v1/chat/completions/chatcmpl-1", chat_reply),
            ("/v1/responses/resp_1", lambda text: [b"data: %b\n\n" % _last(text)]),
        ],
    )
    @pytest.mark.parametrize("paths", [{}, {"paths": ["/v1/*", "/openai/*"]}], ids=str)
    async def test_is_judged(self, path: str, reply: Any, paths: dict[str, Any]) -> None:
        for content, is_withheld in ((GOOD, False), (BAD, True)):
            rule = {**BOTH, **paths, "output": {**OUTPUT, "retries": 1}}
            made = Server(reply(content), rules=[rule])
            answer = await made.post(b"", path, method="GET")
            assert (b"InvalidOutputError" in answer.body) is is_withheld
            assert made.requests == [b""]  # as it came, and no second time

    async def test_is_judged_where_a_change_beside_it_gives_it_back(self) -> None:
        for content, status in ((GOOD, 200), (BAD, 500)):
            made = Server(chat_reply(content), rules=[{**BOTH, "output": {**OUTPUT, "retries": 1}}])
            answer = await made.post({"metadata": {"a": "b"}}, f"{CHAT}/chatcmpl-1")
            assert (answer.status, len(made.requests)) == (status, 1)

    async def test_is_counted_where_it_is_unfinished(self) -> None:
        before = counted("unjudged", subject="unknown")
        made = Server(response(GOOD, status="in_progress"), rules=[BOTH])
        assert (await made.post(b"", "/v1/responses/resp_1", method="GET")).status == 500
        assert counted("unjudged", subject="unknown") == before + 1

    async def test_a_grammar_is_put_into_no_get(self) -> None:
        rules = [{"output": {**OUTPUT, "constrain": True}}]
        made = Server(chat_reply(GOOD), rules=rules, kind=VLLMMiddleware)
        assert (await made.post(b"", f"{CHAT}/1", method="GET")).status == 200
        assert made.requests == [b""]

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v1/responses/resp_1/cancel"),
            ("POST", "/v1/responses/compact"),
            ("POST", "/v1/chat/completions/render"),
            ("DELETE", "/v1/responses/resp_1"),
            ("HEAD", "/v1/responses/resp_1"),
            ("DELETE", "/v1/conversations/conv_1/items/msg_1"),
            ("GET", "/v1/models"),
        ],
    )
    async def test_other_requests_there_pass(self, method: str, path: str) -> None:
        made = Server({"deleted": True}, rules=[BOTH])
        assert (await made.post(b"", path, method=method)).status == 200

    async def test_a_body_of_nothing_but_null_is_judged(self) -> None:
        assert (await Server(chat_reply(GOOD), rules=[BOTH]).post(b"null")).status == 400

    async def test_a_rule_of_requests_alone_leaves_it_alone(self) -> None:
        made = Server(response(BAD), rules=[{"input": BOTH["input"]}])
        assert (await made.post(b"", "/v1/responses/resp_1", method="GET")).status == 200


def _last(text: str) -> bytes:
    return json.dumps({"type": "response.completed", "response": response(text)}).encode()


UNKNOWN = [
    *("/generate", "/generate_stream", "/api/generate", "/api/chat", "/vertex", "/v1/complete"),
    *("/model/claude/invoke", "/model/claude/converse-stream", "/model/claude/async-invoke"),
    *(f"/v1beta/models/g:{name}GenerateContent" for name in ("stream", "batch", "bidi")),
    *(f"/publishers/google/models/g:{name}" for name in ("streamRawPredict", "rawPredict")),
    *("/x:serverStreamingPredict", "/retrieveAndGenerate", "/v1beta/interactions"),
    *("/chain/stream", "/chain/stream_log", "/chain/batch", "/a2a/agent", "/agent/message:send"),
    *("/v1/messages/batches", "/cohere/v2/chat", "/v1/decisions", "/v1/deployments/d/run"),
    *("/v1/agents/sessions", "/v1/live/sessions", "/v1/sessions/s/events"),
    "/v1/agents/sessions/s/turns",
]


class TestInFrontOfAUrl:
    @pytest.mark.parametrize("path", UNKNOWN)
    async def test_a_path_that_infers_and_has_no_rule_is_told_of_once(
        self, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = Server(chat_reply(BAD), rules=[BOTH], kind=UpstreamMiddleware)
        for _ in range(3):
            assert (await made.post(path=path)).status == 200
        assert caplog.text.count(f"no rule is for '{path}': requests there pass unjudged") == 1

    @pytest.mark.parametrize("path", UNKNOWN)
    async def test_and_closed_with_strict_routes(self, path: str) -> None:
        made = Server(chat_reply(GOOD), rules=[BOTH], kind=UpstreamMiddleware, strict_routes=True)
        for _ in range(2):
            assert (await made.post(path=path)).status == 404
        for path in (
            "/v1/embeddings",
            "/v1/responses/input_tokens",
            "/key/regenerate",
            "/sessions",
        ):
            assert (await made.post(path=path)).status == 200
        assert (await made.post(path="/v1/models", body=b"", method="GET")).status == 200
        assert len(made.requests) == 5

    async def test_which_ends_no_start(self) -> None:
        made = Server(chat_chunks(GOOD), rules=[BOTH], kind=UpstreamMiddleware, strict_routes=True)
        made.middleware.app = _with_a_lifespan
        async with started(made.middleware) as said:
            assert said[0]["type"] == "lifespan.startup.complete"

    @pytest.mark.parametrize(
        "body",
        [
            b'{"messages": [%b], "messages": [%b]}',
            b'{"messages": [%b], "m\\u0065ssages": [%b]}',
            b'{"model": "a", "model": "b", "messages": [%b, %b]}',
            b'{"messages": [{"role": "user", "content": "x", "content": "y"}, %b, %b]}',
        ],
    )
    async def test_a_key_that_stands_twice_is_refused(self, body: bytes) -> None:
        said = json.dumps({"role": "user", "content": GOOD}).encode()
        made = Server(chat_reply(GOOD), rules=[BOTH], kind=UpstreamMiddleware)
        answer = await made.post(body % (said, said))
        assert (answer.status, made.requests) == (400, [])
        assert answer.json["error"]["message"] == "an object of the body has a key twice"
        warned = {"input": {**INPUT, "mode": "warn"}}
        made = Server(chat_reply(GOOD), rules=[warned], kind=UpstreamMiddleware)
        assert (await made.post(body % (said, said))).status == 200


async def _with_a_lifespan(_scope: Any, receive: Any, send: Any) -> None:
    for what in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{what}"
        await send({"type": f"lifespan.{what}.complete"})


class TestTextThatTheServerHas:
    """A request of ``/v1/responses`` may lead to texts that are not in it."""

    ITEM: ClassVar = {"role": "user", "content": GOOD}

    @pytest.mark.parametrize(
        "fields",
        [
            {"prompt": {"id": "pmpt_1", "variables": {"text": "anything"}}},
            {"input": [ITEM, {"type": "item_reference", "id": "msg_1"}]},
            {"input": [ITEM, {"type": "item_reference"}]},
        ],
    )
    async def test_is_refused_where_it_could_be_a_users(self, fields: dict[str, Any]) -> None:
        made = Server(response(GOOD), rules=[BOTH])
        request = {"input": [self.ITEM], **fields}
        assert (await made.post(request, "/v1/responses")).status == 400

    @pytest.mark.parametrize(
        "fields",
        [
            {"prompt": {"id": "pmpt_1"}},
            {"prompt": {"id": "pmpt_1", "variables": {}}},
            {"input": [ITEM, {"type": "item_reference", "id": "rs_1"}]},
            {"input": [{"type": "item_reference", "id": "msg_1"}, ITEM]},
        ],
    )
    async def test_passes_where_it_is_the_models_or_comes_before(
        self, fields: dict[str, Any]
    ) -> None:
        made = Server(response(GOOD), rules=[BOTH])
        request = {"input": [self.ITEM], **fields}
        assert (await made.post(request, "/v1/responses")).status == 200


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use", "thinking"])
@pytest.mark.parametrize("stream", ["pass", "hold"])
async def test_the_input_of_a_tool_that_the_server_runs_hides_no_text(
    kind: str, stream: str
) -> None:
    for text, is_withheld in ((GOOD, False), (BAD, True)):
        block = {"type": kind, "id": "s", "name": "web_search", "input": {}}
        partial = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
        said = {"type": "text_delta", "text": text}
        events: list[dict[str, Any]] = [
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": partial},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text"}},
            {"type": "content_block_delta", "index": 1, "delta": said},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ]
        chunks = [sse(event, event["type"]) for event in events]
        made = Server(chunks, rules=[{"output": {**OUTPUT, "stream": stream}}])
        answer = await made.post({"messages": [], "stream": True}, "/v1/messages")
        assert (b"InvalidOutputError" in answer.body) is is_withheld
