"""No path that infers is a way round: known servers' paths, patterns, and the app's own routes."""

from __future__ import annotations

import asyncio
import cProfile
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving import SchemaMiddleware, load_config
from llm_integrations.serving.upstream.middleware import UpstreamMiddleware
from tests.support.serving_apps import (
    BAD,
    CHAT,
    GOOD,
    Server,
    chat_chunks,
    chat_reply,
    chat_request,
    registry_with_user,
    started,
)

OUTPUT = {"output": {"schema": "user", "mode": "enforce"}}
INPUT = {"input": {"checks": [{"of": "messages", "schema": "user"}]}}

TEXT_REPLY = {"choices": [{"index": 0, "text": BAD, "finish_reason": "stop"}]}
RESPONSE = {
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": BAD}]}],
}
MESSAGE = {
    "type": "message",
    "content": [{"type": "text", "text": BAD}],
    "stop_reason": "end_turn",
}


class TestTheInferencePathsOfKnownServers:
    @pytest.mark.parametrize(
        ("path", "reply"),
        [
            ("/invocations", chat_reply(BAD)),
            ("/invocations", TEXT_REPLY),
            ("/v1/chat/completions/batch", chat_reply(GOOD, BAD)),
            ("/v1/engines/copilot-codex/completions", TEXT_REPLY),
            ("/chat/completions", chat_reply(BAD)),
            ("/completions", TEXT_REPLY),
            ("/engines/gpt/chat/completions", chat_reply(BAD)),
            ("/engines/org/model/completions", TEXT_REPLY),
            ("/openai/deployments/gpt-4/chat/completions", chat_reply(BAD)),
            ("/openai/deployments/gpt-4/completions", TEXT_REPLY),
            ("/OpenAI/Deployments/gpt-4//chat/completions/", chat_reply(BAD)),
            ("/responses", RESPONSE),
            ("/openai/v1/responses", RESPONSE),
            ("/anthropic/v1/messages", MESSAGE),
        ],
    )
    async def test_have_rules_by_default(self, path: str, reply: Any) -> None:
        answer = await Server(reply, rules=[OUTPUT]).post(path=path)
        assert (answer.status, answer.headers.get("x-schema-valid")) == (500, "false")

    async def test_invocations_are_a_chat_or_a_completion_by_their_body(self) -> None:
        made = Server(chat_reply(GOOD), rules=[INPUT])
        assert (await made.post(chat_request(GOOD), "/invocations")).status == 200
        assert (await made.post({"prompt": GOOD}, "/invocations")).status == 200
        assert (await made.post(chat_request(BAD), "/invocations")).status == 400
        assert (await made.post({"prompt": BAD}, "/invocations")).status == 400

    @pytest.mark.parametrize("content", [GOOD, BAD])
    async def test_a_stream_of_invocations_is_judged(self, content: str) -> None:
        made = Server(chat_chunks(content), rules=[OUTPUT])
        reply = await made.post(chat_request(stream=True), "/invocations")
        assert (b"InvalidOutputError" in reply.body) is (content == BAD)

    @pytest.mark.parametrize(
        ("second", "param"),
        [
            ([{"role": "user", "content": BAD}], "body.messages.1.0.content"),
            ([{"role": "system", "content": GOOD}], "body.messages.1"),
            ([], "body.messages.1"),
        ],
    )
    async def test_each_conversation_of_a_batch_is_judged(self, second: Any, param: str) -> None:
        first = [{"role": "user", "content": "talk"}, {"role": "user", "content": GOOD}]
        made = Server(chat_reply(GOOD), rules=[INPUT])
        path = "/v1/chat/completions/batch"
        assert (await made.post({"messages": [first, first]}, path)).status == 200
        reply = await made.post({"messages": [first, second]}, path)
        assert (reply.status, reply.json["error"]["param"]) == (400, param)
        assert len(made.requests) == 1

    async def test_the_model_in_a_path_counts_more_than_the_one_in_the_body(self) -> None:
        rules = [{**OUTPUT, "models": ["strict*"]}]
        made = Server(chat_reply(BAD), rules=rules)
        strict, other = (f"/openai/deployments/{m}/chat/completions" for m in ("strict-1", "x"))
        assert (await made.post({**chat_request(), "model": "other"}, strict)).status == 500
        assert (await made.post({**chat_request(), "model": "strict"}, other)).status == 200


class TestPatterns:
    @pytest.mark.parametrize("pattern", ["/v1/*", "*", "/*", "/v1/*/completions", "*/Completions"])
    async def test_a_star_stands_for_any_text(self, pattern: str) -> None:
        made = Server(chat_reply(BAD), rules=[{**OUTPUT, "paths": [pattern]}])
        assert (await made.post()).status == 500
        for path in ("//V1/chat/completions/", "/v1/chat/completions\n", "/v1/chat/completions/\n"):
            assert (await made.post(path=path)).status == 500

    async def test_what_it_does_not_match_passes(self) -> None:
        made = Server(chat_reply(BAD), rules=[{**OUTPUT, "paths": ["/api/*"]}])
        assert (await made.post()).status == 200
        assert (await made.post(path="/api/x", body={"shape": "json"})).status == 500

    async def test_the_first_rule_counts_whether_it_has_a_star_or_not(self) -> None:
        watching = {"output": {"schema": "user", "mode": "warn"}}
        first = Server(
            chat_reply(BAD), rules=[{**watching, "paths": ["/v1/*"]}, {**OUTPUT, "paths": [CHAT]}]
        )
        assert (await first.post()).status == 200
        second = Server(
            chat_reply(BAD), rules=[{**watching, "paths": [CHAT]}, {**OUTPUT, "paths": ["/v1/*"]}]
        )
        assert (await second.post()).status == 200
        assert (await second.post({"prompt": "x"}, "/v1/completions")).status == 500

    async def test_a_shape_can_be_named_for_all_of_them(self) -> None:
        made = Server(chat_reply(BAD), rules=[{**OUTPUT, "paths": ["/api/*"], "shape": "chat"}])
        reply = await made.post(path="/api/talk")
        assert reply.headers["x-schema-errors"] == "1"

    def test_a_path_is_a_path(self) -> None:
        with pytest.raises(ConfigurationError, match="paths"):
            load_config({"rules": [{**OUTPUT, "paths": ["v1/chat"]}]})


async def endpoint(*_: Any) -> None:
    raise AssertionError


def starlette_app(*routes: Any, **config: Any) -> Any:
    ours = Middleware(
        SchemaMiddleware,
        config={"auth": "none", "rules": [OUTPUT], **config},
        registry=registry_with_user(),
    )
    return Starlette(routes=list(routes), middleware=[ours])


def post(path: str) -> Route:
    return Route(path, endpoint, methods=["POST"])


OPEN: dict[str, Any] = {
    "/generate": post("/generate"),
    "/inference/v1/generate": post("/inference/v1/generate"),
    "/api/chat": Mount("/api", routes=[post("/chat")]),
    "/sub/v1/chat/completions": Mount("/sub", app=Starlette(routes=[post(CHAT)])),
    "/v1/models/{model}:predict": post("/v1/models/{model}:predict"),
    "/v1beta/models/{model}:generateContent": post("/v1beta/models/{model}:generateContent"),
    "/pass/{rest:path}": post("/pass/{rest:path}"),
    "/v1/realtime": WebSocketRoute("/v1/realtime", endpoint),
}
CLOSED: dict[str, Any] = {
    "a path with a rule": post(CHAT),
    "one with a parameter": post("/openai/deployments/{model:path}/chat/completions"),
    "one that gives no answer": post("/v1/chat/completions/render"),
    "counting": post("/v1/messages/count_tokens"),
    "reading": Route("/v1/chat/completions/{id}", endpoint, methods=["GET"]),
    "embeddings": post("/v1/embeddings"),
    "tokens": post("/tokenize"),
}


class TestTheRoutesOfTheApp:
    @pytest.mark.parametrize("path", OPEN)
    async def test_one_that_infers_and_has_no_rule_is_a_warning(
        self, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with started(starlette_app(post(CHAT), OPEN[path])) as said:
            assert said[0]["type"] == "lifespan.startup.complete"
        assert f"no rule is for {path}: requests there pass unjudged" in caplog.text

    @pytest.mark.parametrize("path", OPEN)
    async def test_and_ends_a_strict_start(self, path: str) -> None:
        async with started(starlette_app(OPEN[path], strict_routes=True)) as said:
            assert said[0]["type"] == "lifespan.startup.failed"
            assert path in said[0]["message"]
        assert len(said) == 1

    @pytest.mark.parametrize("name", CLOSED)
    async def test_what_has_a_rule_or_does_not_infer_is_none(
        self, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with started(starlette_app(CLOSED[name], strict_routes=True)) as said:
            assert said[0]["type"] == "lifespan.startup.complete"
        assert "no rule is for" not in caplog.text

    async def test_a_rule_that_is_off_leaves_a_path_open_on_purpose(self) -> None:
        off = {"paths": ["/generate", "/api/*"], "output": {"mode": "off"}}
        app = starlette_app(*OPEN.values(), rules=[OUTPUT, off], strict_routes=True)
        async with started(app) as said:
            told = said[0]["message"].split(": requests")[0].split(" for ")[1].split(", ")
        assert told == sorted(OPEN.keys() - {"/generate", "/api/chat"})

    async def test_routers_of_fastapi_are_read(self, caplog: pytest.LogCaptureFixture) -> None:
        app, router, inner = FastAPI(), APIRouter(prefix="/v2"), APIRouter()
        inner.add_api_route("/chat/completions", endpoint, methods=["POST"])
        router.include_router(inner, prefix="/deep")
        app.include_router(router)
        app.include_router(inner, prefix="/v1")
        app.add_middleware(SchemaMiddleware, config={"rules": [OUTPUT]}, registry="memory://")
        app.user_middleware[0].kwargs["registry"] = registry_with_user()
        async with started(app) as said:
            assert said[0]["type"] == "lifespan.startup.complete"
        assert "no rule is for /v2/deep/chat/completions: " in caplog.text

    async def test_routes_that_cannot_be_read_end_a_strict_start_only(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})

        for strict, said_first in ((True, "failed"), (False, "complete")):
            made = SchemaMiddleware(
                app,
                {"rules": [OUTPUT], "auth": "none", "strict_routes": strict},
                registry=registry_with_user(),
            )
            async with started(made) as said:
                assert said[0]["type"] == f"lifespan.startup.{said_first}"

    async def test_without_a_lifespan_a_strict_server_answers_nobody(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = Server(chat_reply(GOOD), rules=[OUTPUT], strict_routes=True)
        made.middleware.app = Starlette(routes=[post("/generate")])
        assert (await made.post()).status == 500
        assert "no rule is for /generate" in caplog.text


SGLANG = (  # what its http_server.py takes POST on, and answers with what a model made
    ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/invocations"],
    ["/generate", "/generate_from_file", "/vertex_generate"],
    ["/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/classify", "/encode", "/classify"],
)
LLAMA_CPP: tuple[list[str], ...] = (  # likewise llama_cpp/server/app.py
    ["/v1/chat/completions", "/v1/completions", "/v1/engines/copilot-codex/completions"],
    [],
    ["/v1/embeddings", "/extras/tokenize", "/extras/tokenize/count", "/extras/detokenize"],
)
VLLM = (  # likewise the routers of vLLM 0.32
    [
        "/v1/chat/completions",
        "/v1/chat/completions/batch",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/invocations",
    ],
    ["/cohere/v2/chat", "/inference/v1/generate"],
    [
        "/v1/chat/completions/render",
        "/v1/messages/count_tokens",
        "/v1/responses/{response_id}/cancel",
        "/v1/embeddings",
        "/pooling",
        "/v2/rerank",
        "/v1/audio/transcriptions",
        "/tokenize",
    ],
)


@pytest.mark.parametrize("routes", [SGLANG, LLAMA_CPP, VLLM], ids=["SGLang", "llama.cpp", "vLLM"])
async def test_every_route_of_a_known_server_is_ruled_or_told_of(
    routes: tuple[list[str], ...], caplog: pytest.LogCaptureFixture
) -> None:
    ruled, told, others = routes
    app = starlette_app(*map(post, (*ruled, *told, *others)))
    async with started(app) as said:
        assert said[0]["type"] == "lifespan.startup.complete"
    assert (f"no rule is for {', '.join(sorted(told))}: requests" in caplog.text) is bool(told)
    for path in ruled:
        answer = await Server({"no": "answer"}, rules=[OUTPUT]).post(path=path)
        assert (answer.status, answer.headers["x-schema-valid"]) == (500, "unjudged")


def calls_of(act: Callable[[], Any]) -> int:
    """How many functions are called, of Python and of C."""
    profile = cProfile.Profile()
    profile.runcall(act)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize(
    ("kind", "path", "paths"),
    [
        (SchemaMiddleware, CHAT, {"paths": ["/v1/*"]}),
        (SchemaMiddleware, f"{CHAT}/", {}),
        (SchemaMiddleware, "/v1/engines/m/chat/completions", {}),
        (UpstreamMiddleware, f"/api{CHAT}", {}),
    ],
)
def test_a_path_that_no_rule_names_as_it_stands_costs_little_more(
    kind: type[SchemaMiddleware], path: str, paths: dict[str, Any]
) -> None:
    made = Server(chat_reply(GOOD), rules=[{"output": {"schema": "user"}, **paths}], kind=kind)
    exact = Server(chat_reply(GOOD), rules=[{"output": {"schema": "user"}}], kind=kind)

    async def ask(server: Server, path: str) -> None:
        for _ in range(10):
            assert (await server.post(path=path)).headers["x-schema-valid"] == "true"

    for server, at in ((made, path), (exact, CHAT)):
        asyncio.run(ask(server, at))
    counts = [calls_of(lambda: asyncio.run(ask(made, path))),
              calls_of(lambda: asyncio.run(ask(exact, CHAT)))]  # fmt: skip
    assert counts[0] < 1.25 * counts[1]
    assert made.requests == exact.requests


async def test_what_is_remembered_of_paths_is_bounded() -> None:
    made = Server(chat_reply(BAD), rules=[{"output": {"schema": "user", "mode": "enforce"}}])
    for number in range(2500):
        assert (await made.post(path=f"/other/{number}")).status == 200
    assert (await made.post(path=f"{CHAT}//")).status == 500
    assert len(vars(made.middleware)["_met"]) <= 1000


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("part", ["/files", "/engines", "/openai/deployments", "/responses"])
async def test_a_long_path_costs_no_more_than_its_length(part: str, method: str) -> None:
    rule = {"output": {"schema": "user"}, "paths": ["/*"], "models": ["m"]}
    made = Server(chat_reply(GOOD), rules=[rule])
    path = part * (60_000 // len(part))
    began = time.process_time()
    await made.post(chat_request() if method == "POST" else b"", path, method=method)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("kind", [SchemaMiddleware, UpstreamMiddleware])
async def test_a_line_break_in_a_path_is_no_way_round(kind: type[SchemaMiddleware]) -> None:
    rules = [{"output": {"schema": "user", "mode": "enforce"}}]
    made = Server(chat_reply(BAD), rules=rules, kind=kind)
    assert (await made.post(b"", f"{CHAT}/c%0a1", method="GET")).status == 500
    if kind is UpstreamMiddleware:
        for prefix in ("/x%0a", "/a\nb"):
            assert (await made.post(path=f"{prefix}{CHAT}")).status == 500
            assert (await made.post(b"", f"{prefix}{CHAT}/c", method="GET")).status == 500
    line = json.dumps({"custom_id": "a", "response": {"body": chat_reply(BAD)}}) + "\n"
    made = Server(line.encode(), rules=rules, kind=kind)
    assert (await made.post(b"", "/v1/files/a%0ab/content", method="GET")).status == 500
