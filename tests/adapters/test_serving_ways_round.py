"""Ways round a rule that are no other path of inference: spellings, answers that are stored, and
paths that nobody knows in front of a URL."""

from __future__ import annotations

import json
from typing import Any

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
    started,
)

OUTPUT = {"schema": "user", "mode": "enforce"}
BOTH = {"output": OUTPUT, "input": {"checks": [{"of": "messages", "schema": "user"}]}}


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


UNKNOWN = ["/generate", "/model/claude/invoke", "/v1/messages/batches", "/cohere/v2/chat"]


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
        assert (await made.post(path="/v1/embeddings")).status == 200
        assert (await made.post(path="/v1/models", body=b"", method="GET")).status == 200
        assert len(made.requests) == 2

    async def test_which_ends_no_start(self) -> None:
        made = Server(chat_chunks(GOOD), rules=[BOTH], kind=UpstreamMiddleware, strict_routes=True)
        made.middleware.app = _with_a_lifespan
        async with started(made.middleware) as said:
            assert said[0]["type"] == "lifespan.startup.complete"


async def _with_a_lifespan(_scope: Any, receive: Any, send: Any) -> None:
    for what in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{what}"
        await send({"type": f"lifespan.{what}.complete"})
