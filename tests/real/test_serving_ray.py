"""The middleware in a Ray Serve deployment, on a real local cluster with two replicas."""

# pyright: reportMissingImports=false
# Only the real tests install Ray.

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from llm_integrations.core.registry import connect
from llm_integrations.serving import SchemaMiddleware
from tests.support.needs import needs
from tests.support.serving_apps import BAD, CHAT, GOOD, USER, chat_chunks, chat_reply, chat_request

pytestmark = [
    pytest.mark.real,
    needs("install-ray", "ray", "grpc_reflection"),
    pytest.mark.timeout(600),
    # Ray warns about its own options, and leaves sockets and files to the garbage collector.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def deployment(rules: str) -> Any:
    """A model that says what it is told to, as a Ray Serve application."""
    from fastapi import FastAPI
    from ray import serve

    app = FastAPI()
    app.add_middleware(SchemaMiddleware, config=rules)

    @app.post(CHAT, response_model=None)
    async def complete(request: Request) -> Any:
        body = await request.json()
        content = body["messages"][-1]["content"]
        if not body.get("stream"):
            return chat_reply(content)
        return StreamingResponse(iter(chat_chunks(content)), media_type="text/event-stream")

    @serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 0.1})
    @serve.ingress(app)
    class Model:
        pass

    return Model.bind()  # type: ignore[attr-defined]  # a deployment, once decorated


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import ray
    from ray import serve

    folder = tmp_path_factory.mktemp("ray-serve")
    with connect(str(folder / "schemas")) as registry:
        registry.register("user", USER)
    rules = folder / "rules.yaml"
    rules.write_text(
        f"registry: {folder / 'schemas'}\nauth: none\nroutes: true\nevents: {{watch: true}}\n"
        "rules: [{output: {schema: user@latest, mode: enforce}}]\n"
    )
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=128 * 1024 * 1024,
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(deployment(str(rules)), name="model", route_prefix="/")
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()


def ask(url: str, text: str, **fields: Any) -> httpx.Response:
    return httpx.post(url + CHAT, json=chat_request(text, **fields), timeout=60)


def test_both_replicas_judge(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda text: ask(url, text), [GOOD, BAD] * 10))
    assert [reply.status_code for reply in replies] == [200, 500] * 10
    assert {reply.headers["x-schema"] for reply in replies} == {"user@1"}


def test_streams_are_judged(url: str) -> None:
    assert ask(url, GOOD, stream=True).content == b"".join(chat_chunks(GOOD))
    assert b"/age: is a string" in ask(url, BAD, stream=True).content


def test_a_new_version_is_in_force_in_each_replica(url: str) -> None:
    text = '{"name": "Ann", "age": "33"}'
    health = httpx.get(url + "/schemas/health", timeout=60).json()
    assert ask(url, text).status_code == 500
    wider = {**USER, "properties": {**USER["properties"], "age": {"type": ["integer", "string"]}}}
    with connect(health["registry"]["url"]) as registry:
        registry.register("user", wider)
    end = time.monotonic() + 60
    while {ask(url, text).status_code for _ in range(8)} != {200}:
        assert time.monotonic() < end
        time.sleep(0.2)
