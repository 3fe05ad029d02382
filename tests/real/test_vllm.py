"""The middleware in the real vLLM server, with a tiny model on the CPU; the official client asks.

One server at a time, four in all. ``tests/real/install-vllm`` builds the server's environment.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import httpx
import openai
import pytest

from llm_integrations.core.events import SchemaEvent, connect_bus
from llm_integrations.core.registry import Registry, connect
from tests.support.confluent_server import ConfluentServer
from tests.support.kafka import kafka_broker
from tests.support.vllm_server import VENV, VllmServer, make_tiny_model
from tests.support.webhooks import SECRET, signed

pytestmark = pytest.mark.real

if not (VENV / "bin/vllm").exists() and not os.environ.get("LLM_INTEGRATIONS_NO_SKIP"):
    pytest.skip("run tests/real/install-vllm first", allow_module_level=True)

QUESTION = {
    "type": "object",
    "required": ["ask"],
    "properties": {"ask": {"type": "string", "maxLength": 20}},
}
COLOUR: dict[str, Any] = {
    "type": "object",
    "required": ["colour"],
    "properties": {"colour": {"enum": ["red", "green"]}},
    "additionalProperties": False,
}
# A grammar cannot hold "not", so what the model writes never satisfies this.
NEVER = {**COLOUR, "not": {"required": ["colour"]}}
# Keywords that make a working request fail where they are handed to the grammar backend.
AWKWARD = {
    **COLOUR,
    "properties": {
        **COLOUR["properties"],
        "tags": {"type": "array", "items": {"const": "a"}, "uniqueItems": True, "contains": {}},
        "code": {"type": "string", "pattern": "\\S|\\p{L}", "maxLength": 1, "format": "odd"},
        "size": {"type": "number", "multipleOf": 0.5},
    },
    "additionalProperties": False,
}

GOOD = '{"ask": "Which colour?"}'
ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.getbasetemp() / "tiny-model")


def messages(text: str = GOOD) -> list[Any]:
    return [{"role": "user", "content": text}]


def request_for(path: str, model: str, text: str = GOOD, **fields: Any) -> dict[str, Any]:
    """A request in an endpoint's own form."""
    match path:
        case "/v1/completions":
            form: dict[str, Any] = {"prompt": text, "max_tokens": 60}
        case "/v1/responses":
            form = {"input": text, "max_output_tokens": 60}
        case _:
            form = {"messages": messages(text), "max_tokens": 60}
    return {"model": model, **form, **fields}


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


class TestOneServer:
    NAMES = ("tiny", "asked", "coloured", "never", "twice", "awkward", "named", "watched", "slow")

    @pytest.fixture(scope="class")
    @classmethod
    def registry(cls, tmp_path_factory: pytest.TempPathFactory) -> Registry:
        registry = connect(f"file:{tmp_path_factory.mktemp('schemas')}")
        registry.register("question", QUESTION)
        registry.register("colour", COLOUR)
        registry.register("never", NEVER)
        registry.register("awkward", AWKWARD)
        registry.register("moving", COLOUR, compatibility="NONE")
        return registry

    @pytest.fixture(scope="class")
    @classmethod
    def server(
        cls, model: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[VllmServer]:
        enforced = {"mode": "enforce", "constrain": True}
        question = {"checks": [{"of": "messages", "schema": "question"}]}
        rules: list[dict[str, Any]] = [
            {"models": ["asked"], "input": question},
            {"models": ["coloured"], "output": {**enforced, "schema": "colour"}},
            {"models": ["never"], "output": {**enforced, "schema": "never"}},
            {"models": ["twice"], "output": {**enforced, "schema": "never", "retries": 1}},
            {"models": ["awkward"], "output": {"constrain": True, "schema": "awkward"}},
            {
                "models": ["named"],
                "output": {"named_by": {"header": "x-answer", "allow": ["colour"]}},
                "fill_tools": ["colour"],
            },
            {"models": ["watched"], "output": {"constrain": True, "schema": "moving"}},
            {"models": ["slow"], "output": {"schema": "never"}},
        ]
        config = {
            "registry": registry.url,
            "events": {"watch": True},
            "rules": rules,
            "auth": "none",
        }
        options = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
        options += ["--enable-request-id-headers"]
        options += ["--allowed-origins", '["https://page.example"]']  # by default it allows none
        folder = tmp_path_factory.mktemp("one")
        made = VllmServer(model, config, folder, names=cls.NAMES, options=options)
        with made.running() as server:
            yield server

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, server: VllmServer) -> Iterator[openai.OpenAI]:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=120) as client:
            yield client

    @pytest.fixture(scope="class")
    @classmethod
    def http(cls, server: VllmServer) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=server.url, timeout=120) as http:
            yield http

    def test_a_request_that_no_rule_matches_is_as_without_us(self, http: httpx.Client) -> None:
        reply = http.post(ENDPOINTS[0], json=request_for(ENDPOINTS[0], "tiny"))
        assert (reply.status_code, "x-schema" in reply.headers) == (200, False)

    @pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions/batch"])
    def test_the_paths_beside_it_are_judged_too(self, http: httpx.Client, path: str) -> None:
        given = messages('{"ask": 3}')
        batch = path.endswith("/batch")
        form = {"messages": [messages(), given] if batch else given, "max_tokens": 5}
        reply = http.post(path, json={"model": "asked", **form})
        assert reply.status_code == 400
        place = "1.0" if batch else "0"
        assert reply.json()["error"]["param"] == f"body.messages.{place}.content"
        withheld = http.post(
            path,
            json={
                "model": "never",
                "messages": [messages(), messages()] if batch else messages(),
                "max_tokens": 60,
            },
        )
        assert withheld.json()["error"]["type"] == "InvalidOutputError"

    def test_what_no_server_takes_names_its_field(self, http: httpx.Client) -> None:
        form = {"messages": "bad", "max_tokens": 5}
        for name in ("tiny", "asked"):
            reply = http.post(ENDPOINTS[0], json={"model": name, **form})
            assert reply.status_code == 400
            assert "body.messages" in str(reply.json()["error"]["param"])

    def test_our_refusals_carry_the_servers_cors_headers(self, http: httpx.Client) -> None:
        form = request_for(ENDPOINTS[0], "asked", '{"ask": 3}')
        page = {"origin": "https://page.example"}
        reply = http.post(ENDPOINTS[0], json=form, headers=page)
        assert reply.status_code == 400
        own = http.post(ENDPOINTS[0], json={**form, "model": "no-such-model"}, headers=page)
        assert own.status_code == 404
        for headers in (reply.headers, own.headers):
            assert headers["access-control-allow-origin"] == "https://page.example"
        assert len(reply.headers.get_list("x-request-id")) == 1

    def test_an_answer_that_the_client_began_is_judged_whole(self, http: httpx.Client) -> None:
        begun = [*messages(), {"role": "assistant", "content": '{"colour":"red"}'}]
        fields = {"continue_final_message": True, "add_generation_prompt": False}
        form = {"model": "coloured", "messages": begun, "max_tokens": 3, **fields}
        reply = http.post(ENDPOINTS[0], json=form)
        if reply.status_code == 200:  # it ended at once
            assert reply.headers["x-schema-valid"] == "true"
        else:
            assert "InvalidOutputError" in reply.text

    def test_a_good_request_is_answered(self, client: openai.OpenAI) -> None:
        reply = client.chat.completions.with_raw_response.create(
            model="asked", messages=messages(), max_tokens=5
        )
        assert reply.headers["x-schema"] == "question@1"
        assert reply.headers["x-schema-valid"] == "true"

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_bad_one_is_refused_before_inference(
        self, client: openai.OpenAI, server: VllmServer, stream: bool
    ) -> None:
        before = server.metric("vllm:prompt_tokens_total")
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model="asked", messages=messages('{"ask": 3}'), stream=stream
            )
        assert caught.value.param == "body.messages.0.content"
        assert caught.value.type == "BadRequestError"
        assert server.metric("vllm:prompt_tokens_total") == before

    def test_what_cannot_be_read_is_refused_as_the_server_would(self, http: httpx.Client) -> None:
        wrong_type = http.post(ENDPOINTS[0], content="{}", headers={"content-type": "text/plain"})
        assert wrong_type.status_code == 415
        broken = http.post(
            ENDPOINTS[0], content='{"model": "asked"', headers={"content-type": "application/json"}
        )
        assert broken.status_code == 400
        assert broken.json()["error"]["type"] == "BadRequestError"
        unknown = http.post(ENDPOINTS[0], json=request_for(ENDPOINTS[0], "nobody"))
        assert unknown.status_code == 404

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_decoding_is_constrained_from_the_registry(self, http: httpx.Client, path: str) -> None:
        reply = http.post(path, json=request_for(path, "coloured"))
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-schema"] == "colour@1"
        assert reply.headers["x-schema-valid"] == "true"
        assert "red" in reply.text or "green" in reply.text

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_what_the_grammar_could_not_hold_is_still_checked(
        self, http: httpx.Client, path: str
    ) -> None:
        reply = http.post(path, json=request_for(path, "never"))
        assert reply.status_code == 500
        assert reply.json()["error"]["type"] == "InvalidOutputError"
        assert reply.headers["x-should-retry"] == "false"

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_a_stream_ends_with_the_error_after_all_of_its_chunks(
        self, http: httpx.Client, path: str
    ) -> None:
        with http.stream("POST", path, json=request_for(path, "never", stream=True)) as reply:
            text = b"".join(reply.iter_raw()).decode()
        assert reply.headers["x-schema"] == "never@1"
        assert text.count("data: ") > 5
        assert (
            "InvalidOutputError" in text.strip().split("\n\n")[-1 if "[DONE]" not in text else -2]
        )
        assert '"finish_reason":"stop"' not in text
        assert "event: message_stop" not in text
        assert "event: response.completed" not in text

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_a_valid_stream_is_whole(self, http: httpx.Client, path: str) -> None:
        with http.stream("POST", path, json=request_for(path, "coloured", stream=True)) as reply:
            text = b"".join(reply.iter_raw()).decode()
        assert "error" not in text
        assert text.rstrip().endswith(("[DONE]", "}"))

    def test_the_client_raises_where_a_stream_ends_with_an_error(
        self, client: openai.OpenAI
    ) -> None:
        with pytest.raises(openai.APIError, match="never@1"):
            for _ in client.chat.completions.create(
                model="never", messages=messages(), max_tokens=60, stream=True
            ):
                pass
        with pytest.raises(openai.APIError, match="never@1"):
            for _ in client.responses.create(
                model="never", input="x", max_output_tokens=60, stream=True
            ):
                pass

    def test_each_of_several_choices_is_judged(
        self, client: openai.OpenAI, server: VllmServer
    ) -> None:
        labels = {"subject": "colour", "side": "output", "module": "vllm"}
        before = server.metric("llm_integrations_validation_total", **labels)
        for stream in (False, True):
            reply: Any = client.chat.completions.create(
                model="coloured", messages=messages(), max_tokens=90, n=3, stream=stream
            )
            if stream:
                assert {c.index for chunk in reply for c in chunk.choices} == {0, 1, 2}
        assert server.metric("llm_integrations_validation_total", **labels) == before + 6

    def test_the_model_is_asked_once_more(self, client: openai.OpenAI, server: VllmServer) -> None:
        before = server.metric("vllm:request_success_total")
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="twice", messages=messages(), max_tokens=60)
        assert server.metric("vllm:request_success_total") == before + 2

    def test_no_request_fails_because_of_what_we_put_into_it(self, client: openai.OpenAI) -> None:
        reply = client.chat.completions.with_raw_response.create(
            model="awkward", messages=messages(), max_tokens=200
        )
        assert reply.headers["x-schema"] == "awkward@1"
        assert '"colour"' in (reply.parse().choices[0].message.content or "")

    def test_what_the_client_asks_for_itself_stays(self, client: openai.OpenAI) -> None:
        choice: Any = {"structured_outputs": {"choice": ["blue"]}}
        reply = client.chat.completions.create(
            model="awkward", messages=messages(), max_tokens=10, extra_body=choice
        )
        assert reply.choices[0].message.content == "blue"

    def test_a_header_names_the_schema(self, http: httpx.Client) -> None:
        request = request_for(ENDPOINTS[0], "named")
        reply = http.post(ENDPOINTS[0], json=request, headers={"x-answer": "colour@1"})
        assert reply.headers["x-schema-valid"] == "false", "nothing constrains this model"
        refused = http.post(ENDPOINTS[0], json=request, headers={"x-answer": "never"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "x-answer")

    @pytest.mark.parametrize("strict", [True, False])
    def test_tools_are_filled_in_and_their_arguments_judged(
        self, client: openai.OpenAI, strict: bool
    ) -> None:
        function = {"name": "paint", "parameters": {"$ref": "schema:colour@1"}, "strict": strict}
        tools: Any = [{"type": "function", "function": function}]
        forced: Any = {"type": "function", "function": {"name": "paint"}}
        reply = client.chat.completions.with_raw_response.create(
            model="named", messages=messages(), tools=tools, tool_choice=forced, max_tokens=120
        )
        assert reply.headers["x-schema"] == "colour@1"
        if strict:
            assert reply.parse().choices[0].message.tool_calls
            assert reply.headers["x-schema-valid"] == "true"

    def test_a_client_that_leaves_is_no_invalid_answer(
        self, client: openai.OpenAI, http: httpx.Client, server: VllmServer
    ) -> None:
        """64 choices, 8 at a time, take many seconds: most of them never come to an end."""

        def invalid() -> float:
            return server.metric("llm_integrations_validation_failures_total", subject="never")

        def over() -> bool:
            return server.metric("vllm:num_requests_running") == 0

        long: Any = {"min_tokens": 900, "n": 64}
        before = invalid()
        stream = client.completions.create(
            model="slow", prompt="x", max_tokens=900, stream=True, extra_body=long
        )
        next(iter(stream))
        stream.close()
        assert within(30, over)
        # Those that had finished when a busy machine let the client go are answers, of course.
        assert invalid() < before + 32

        request = {"model": "slow", "prompt": "x", "max_tokens": 900, **long}

        def left() -> bool:
            """Whether the client gave up first; the server may refuse while it is still busy."""
            nonlocal before
            before = invalid()
            try:
                http.post("/v1/completions", json=request, timeout=0.5)
            except httpx.TimeoutException:
                return True
            return False

        assert within(30, left)
        assert within(30, over)
        assert invalid() == before

    def test_a_new_version_comes_into_force_and_no_request_fails(
        self, server: VllmServer, registry: Registry
    ) -> None:
        path = ENDPOINTS[1]
        request = request_for(path, "watched")
        seen: list[tuple[float, float, int, str]] = []
        over = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=server.url, timeout=120) as http:
                while not over.is_set():
                    sent = time.monotonic()
                    reply = http.post(path, json=request)
                    schema = reply.headers.get("x-schema", "")
                    seen.append((sent, time.monotonic(), reply.status_code, schema))

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            assert within(30, lambda: len(seen) > 8)
            blue = {**COLOUR, "properties": {"colour": {"enum": ["blue"]}}}
            registry.register("moving", blue)
            assert within(60, lambda: seen[-1][3] == "moving@2")
            later = len(seen) + 8
            assert within(60, lambda: len(seen) > later)
            over.set()
            for task in asking:
                task.result()
        assert {status for _, _, status, _ in seen} == {200}
        assert seen[0][3] == "moving@1"
        changed = min(answered for _, answered, _, schema in seen if schema == "moving@2")
        assert {schema for sent, _, _, schema in seen if sent > changed} == {"moving@2"}

    def test_the_metrics_are_the_servers_own(self, server: VllmServer) -> None:
        total = "llm_integrations_validation_total"
        for side, subject in (("input", "question"), ("output", "colour")):
            assert server.metric(total, side=side, subject=subject, outcome="valid") > 0
        assert server.metric(total, subject="question", outcome="invalid") > 0
        seconds = "llm_integrations_validation_duration_seconds_count"
        assert server.metric(seconds, module="vllm", side="output") > 0

    def test_the_log_says_what_was_wrong_without_the_data(self, server: VllmServer) -> None:
        log = server.log.read_text(errors="replace")
        assert "vllm input, rule rule-1, messages.0.content: does not satisfy question@1" in log
        assert "vllm output, rule rule-3, choice 0: does not satisfy never@1" in log

    def test_our_routes_are_off_unless_asked_for(self, http: httpx.Client) -> None:
        assert http.get("/schemas/rules").status_code == 404


class TestTwoApiServers:
    """--api-key and --api-server-count 2; changes are heard through Kafka and by webhook."""

    KEY: ClassVar[dict[str, Any]] = {"Authorization": "Bearer right"}

    @pytest.fixture(scope="class")
    @classmethod
    def registry(cls, tmp_path_factory: pytest.TempPathFactory) -> Registry:
        registry = connect(f"file:{tmp_path_factory.mktemp('schemas')}")
        registry.register("question", QUESTION)
        registry.register("moving", COLOUR, compatibility="NONE")
        return registry

    @pytest.fixture(scope="class")
    @classmethod
    def bus(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        with kafka_broker(tmp_path_factory.mktemp("kafka")) as broker:
            yield f"kafka://{broker.servers}/schema-events"

    @pytest.fixture(scope="class")
    @classmethod
    def server(
        cls, model: Path, registry: Registry, bus: str, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[VllmServer]:
        rule = {
            "input": {"checks": [{"of": "messages", "schema": "question"}]},
            "output": {"schema": "moving", "constrain": True},
        }
        folder = tmp_path_factory.mktemp("two")
        hook = {"secret_env": "HOOK_SECRET", "inbox": str(folder / "inbox.db")}
        config = {
            "registry": registry.url,
            "routes": True,
            "events": {"buses": [bus], "webhook": hook},
            "rules": [{"paths": [ENDPOINTS[0], "/tokenize"], **rule}],
        }
        options = ["--api-key", "right", "--api-server-count", "2"]
        secret = {"HOOK_SECRET": SECRET}
        server = VllmServer(model, config, folder, options=options, environment=secret)
        with server.running():
            yield server

    def post(self, server: VllmServer, text: str, **more: Any) -> httpx.Response:
        """On a new connection, so that either process may get it."""
        request = request_for(ENDPOINTS[0], "tiny", text)
        return httpx.post(server.url + ENDPOINTS[0], json=request, timeout=120, **more)

    def test_strangers_get_the_servers_401_whatever_they_send(self, server: VllmServer) -> None:
        for text in (GOOD, "no JSON"):
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                reply = self.post(server, text, headers=headers)
                assert (reply.status_code, reply.json()) == (401, {"error": "Unauthorized"})
                assert "x-schema" not in reply.headers

    def test_whoever_has_the_key_is_judged(self, server: VllmServer) -> None:
        assert self.post(server, "no JSON", headers=self.KEY).status_code == 400
        assert self.post(server, GOOD, headers=self.KEY).status_code == 200

    def test_a_path_that_the_server_leaves_open_is_judged_for_everybody(
        self, server: VllmServer
    ) -> None:
        reply = httpx.post(f"{server.url}/tokenize", json={"model": "tiny", "prompt": "x"})
        assert reply.status_code == 400

    def test_our_routes_obey_the_same_key(self, server: VllmServer) -> None:
        assert httpx.get(f"{server.url}/schemas/rules").status_code == 401
        reply = httpx.get(f"{server.url}/schemas/health", headers=self.KEY)
        assert (reply.status_code, reply.json()["events"]) == (200, True)

    def test_the_processes_counters_add_up(self, server: VllmServer) -> None:
        total = "llm_integrations_validation_total"
        labels = {"side": "input", "subject": "question", "outcome": "valid"}
        before = server.metric(total, **labels)
        for _ in range(20):
            assert self.post(server, GOOD, headers=self.KEY).status_code == 200
        assert server.metric(total, **labels) == before + 20

    def test_each_process_keeps_up(self, server: VllmServer, registry: Registry, bus: str) -> None:
        before = self.versions(server)
        assert len(before) == 2
        assert set.union(*before.values()) == {1}
        for version, announce in ((2, self.by_webhook), (3, self.by_kafka)):
            registry.register("moving", {**COLOUR, "title": str(version)})
            event = SchemaEvent.updated(f"id-{version}", "", "moving", version, version - 1)
            announce(event, server, bus)
            wanted = {process: {version} for process in before}
            assert within(60, lambda: self.versions(server) == wanted)  # noqa: B023 - in this turn

    def versions(self, server: VllmServer) -> dict[int, set[int]]:
        """By process, what it says is in force."""
        found: dict[int, set[int]] = {}
        for _ in range(30):
            with httpx.Client(base_url=server.url, headers=self.KEY) as http:
                process = http.get("/schemas/health").json()["process"]
                (rule,) = http.get("/schemas/rules").json()["rules"]
                found.setdefault(process, set()).add(rule["output"]["version"])
        return found

    def by_webhook(self, event: SchemaEvent, server: VllmServer, _bus: str) -> None:
        """One of the two processes takes it; it has a signature instead of the server's key."""
        body, headers = signed(event)
        hook = f"{server.url}/schemas/webhook"
        assert httpx.post(hook, content=body, headers=self.KEY).status_code == 401
        assert httpx.post(hook, content=body, headers=headers).status_code == 200

    def by_kafka(self, event: SchemaEvent, _server: VllmServer, bus: str) -> None:
        async def publish() -> None:
            async with connect_bus(bus) as connected:
                await connected.publish(event)

        asyncio.run(publish())


class TestARegistryThatIsAway:
    @pytest.fixture(scope="class")
    @classmethod
    def registry(cls) -> Iterator[ConfluentServer]:
        """Not listening yet, but its port is known."""
        registry = ConfluentServer()
        registry.add("colour", COLOUR)
        registry.start()
        registry.stop()
        yield registry
        registry.stop()

    @pytest.fixture(scope="class")
    @classmethod
    def server(
        cls, model: Path, registry: ConfluentServer, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[VllmServer]:
        output = {"schema": "colour", "constrain": True}
        config = {
            # Copies are stale at once, so that what is served is what is left.
            "registry": {"url": registry.url, "ttl": 0.1, "timeout": 1},
            "auth": "none",
            "rules": [
                {"models": ["strict"], "output": {**output, "mode": "enforce"}},
                {"models": ["lenient"], "output": output},
            ],
        }
        names = ("strict", "lenient")
        folder = tmp_path_factory.mktemp("away")
        with VllmServer(model, config, folder, names=names).running() as server:
            yield server

    def test_the_server_starts_and_judges_what_it_can(
        self, server: VllmServer, registry: ConfluentServer
    ) -> None:
        path = ENDPOINTS[0]
        with httpx.Client(base_url=server.url, timeout=120) as http:
            strict = http.post(path, json=request_for(path, "strict"))
            assert strict.status_code == 503
            assert int(strict.headers["retry-after"]) > 0
            lenient = http.post(path, json=request_for(path, "lenient"))
            assert lenient.status_code == 200
            assert lenient.headers["x-schema-valid"] == "unjudged"

            registry.start()

            def judged() -> bool:
                return http.post(path, json=request_for(path, "strict")).status_code == 200

            assert within(60, judged)

            registry.stop()
            time.sleep(0.5)
            for name in ("strict", "lenient") * 3:
                reply = http.post(path, json=request_for(path, name))
                assert reply.status_code == 200
                assert reply.headers["x-schema-valid"] == "true"
        unjudged = server.metric("llm_integrations_validation_total", outcome="unjudged")
        assert unjudged == 2


def test_a_wrong_configuration_ends_the_server_with_a_clear_message(
    model: Path, tmp_path: Path
) -> None:
    server = VllmServer(model, {"rules": [{"output": {"schema": "a", "mode": "block"}}]}, tmp_path)
    server.launch()
    try:
        code = server.wait(900)
    finally:
        server.stop()
    assert code != 0
    log = server.log.read_text()
    assert "rules.0.output.mode: Input should be 'enforce', 'warn' or 'off'" in log
    assert "Application startup complete" not in log
