"""The middleware inside the real LiteLLM proxy, in front of a model that says what it is told to.

``tests/real/install-litellm`` builds the proxy's environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from llm_integrations.core.registry import connect
from tests.support.listening import UvicornServer
from tests.support.needs import needs
from tests.support.serving_apps import BAD, GOOD, USER, chat_chunks, chat_reply

PYTHON = Path(__file__).parents[2] / ".venv-litellm/bin/python"
KEY = "sk-a-key"

pytestmark = [
    pytest.mark.real,
    needs("install-litellm", programs=(str(PYTHON),)),
    pytest.mark.timeout(900),
]

GATEWAY = """
from litellm.proxy.proxy_server import app
from llm_integrations.serving import SchemaMiddleware

app.add_middleware(SchemaMiddleware, config="rules.yaml")
"""


async def model(request: Request) -> Any:
    """Says the last message of the user, as it is or in pieces."""
    body = await request.json()
    content = body["messages"][-1]["content"]
    if not body.get("stream"):
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return JSONResponse({**chat_reply(content), "created": 1, "usage": usage})
    return StreamingResponse(iter(chat_chunks(content)), media_type="text/event-stream")


@contextmanager
def upstream() -> Iterator[str]:
    app = Starlette(routes=[Route("/v1/chat/completions", model, methods=["POST"])])
    server = UvicornServer(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("litellm")
    with connect(str(folder / "schemas")) as registry:
        registry.register("user", USER)
    (folder / "gateway.py").write_text(GATEWAY)
    rules = {
        "registry": "schemas/",
        "auth": {"keys_env": ["LITELLM_MASTER_KEY"]},
        "routes": True,
        "rules": [{"models": ["tiny"], "output": {"schema": "user", "mode": "enforce"}}],
    }
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    port = free_port()
    with upstream() as behind:
        tiny = {"model": "lm_studio/tiny", "api_base": behind, "api_key": "none"}
        models = [{"model_name": "tiny", "litellm_params": tiny}]
        (folder / "config.yaml").write_text(yaml.safe_dump({"model_list": models}))
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            "CONFIG_FILE_PATH": "config.yaml",
            "LITELLM_MASTER_KEY": KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        command = [str(PYTHON), "-m", "uvicorn", "gateway:app", "--port", str(port)]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(process, f"http://127.0.0.1:{port}/health/liveliness", folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)
            log.close()


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + 600
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-4000:])


PATHS = {
    "/v1/chat/completions": "messages",
    "/chat/completions": "messages",
    "/engines/tiny/chat/completions": "messages",
    "/openai/deployments/tiny/chat/completions": "messages",
    "/v1/messages": "messages",
    "/v1/responses": "input",
    "/responses": "input",
}


def asked(url: str, path: str, text: str, *, key: str = KEY, **fields: Any) -> httpx.Response:
    given: Any = text if PATHS[path] == "input" else [{"role": "user", "content": text}]
    body = {"model": "tiny", "max_tokens": 50, PATHS[path]: given, **fields}
    return httpx.post(url + path, json=body, headers={"authorization": f"Bearer {key}"}, timeout=60)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_a_way_round(url: str, path: str) -> None:
    good, bad = asked(url, path, GOOD), asked(url, path, BAD)
    assert (good.status_code, good.headers["x-schema-valid"]) == (200, "true"), good.text
    assert (bad.status_code, bad.headers["x-schema-valid"]) == (500, "false"), bad.text
    assert "/age: is a string, not an integer" in bad.text


@pytest.mark.parametrize("path", PATHS)
def test_no_stream_is_a_way_round(url: str, path: str) -> None:
    good, bad = (asked(url, path, text, stream=True) for text in (GOOD, BAD))
    assert "InvalidOutputError" not in good.text, good.text
    assert "/age: is a string, not an integer" in bad.text, bad.text


def test_a_body_that_says_it_is_text_is_no_way_round(url: str) -> None:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "text/plain"}
    reply = httpx.post(url + "/chat/completions", content=b"{}", headers=headers)
    assert reply.status_code == 415


def test_a_stranger_gets_the_proxys_own_401(url: str) -> None:
    reply = asked(url, "/v1/chat/completions", GOOD, key="sk-other")
    assert reply.status_code == 401
    assert "x-schema" not in reply.headers
    assert httpx.get(url + "/schemas/health").status_code == 401


def test_the_openai_client_understands_it(url: str) -> None:
    with openai.OpenAI(api_key=KEY, base_url=url + "/v1", max_retries=0) as client:

        def ask(text: str) -> str | None:
            messages: Any = [{"role": "user", "content": text}]
            reply = client.chat.completions.create(model="tiny", messages=messages)
            return reply.choices[0].message.content

        assert ask(GOOD) == GOOD
        with pytest.raises(openai.InternalServerError, match="/age: is a string"):
            ask(BAD)
