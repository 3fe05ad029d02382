"""Starting and stopping with the server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from llm_integrations.core.errors import RegistryError
from llm_integrations.core.registry import connect
from llm_integrations.serving import SchemaMiddleware
from tests.support.serving_apps import (
    CHAT,
    GOOD,
    USER,
    Server,
    chat_reply,
    registry_with_user,
    started,
)

RULES: dict[str, Any] = {"rules": [{"name": "r", "output": {"schema": "user"}}]}


class Inner:
    """An app that answers a lifespan and writes down what it saw."""

    def __init__(self, **failing: str) -> None:
        self.seen: list[str] = []
        self._failing = failing

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        for phase in ("startup", "shutdown"):
            message = await receive()
            self.seen.append(message["type"])
            if phase in self._failing:
                await send({"type": f"lifespan.{phase}.failed", "message": self._failing[phase]})
                return
            await send({"type": f"lifespan.{phase}.complete"})


def types(said: list[Any]) -> list[str]:
    return [message["type"] for message in said]


async def test_it_starts_before_the_app_and_stops_after_it(tmp_path: Path) -> None:
    with connect(f"file:{tmp_path}") as registry:
        registry.register("user", USER)
    inner = Inner()
    middleware = SchemaMiddleware(inner, {"registry": f"file:{tmp_path}", **RULES})
    async with started(middleware) as said:
        assert types(said) == ["lifespan.startup.complete"]
        runtime = middleware._runtime
        assert runtime is not None
        assert runtime.registry.peek("user") is not None, "schemas are fetched at the start"
    assert types(said)[1:] == ["lifespan.shutdown.complete"]
    assert inner.seen == ["lifespan.startup", "lifespan.shutdown"]
    with pytest.raises(RegistryError):
        runtime.registry.get("user")


async def test_a_registry_that_was_handed_in_stays_open() -> None:
    registry = registry_with_user()
    async with started(SchemaMiddleware(Inner(), RULES, registry=registry)):
        pass
    assert registry.get("user").version == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rules": []}, "rules: Tuple should have at least 1 item"),
        ({"rules": [{"output": {"schema": "gone"}}]}, "a rule names gone@latest"),
        ({**RULES, "events": {"webhook": {"secret_env": "NO_SECRET"}}}, "NO_SECRET is not set"),
    ],
)
async def test_what_is_wrong_ends_the_start_with_a_message(
    config: dict[str, Any], message: str
) -> None:
    inner = Inner()
    middleware = SchemaMiddleware(inner, config, registry=registry_with_user())
    async with started(middleware) as said:
        assert types(said) == ["lifespan.startup.failed"]
        assert message in said[0]["message"]
    assert inner.seen == [], "the app never starts"


async def test_a_registry_that_is_away_does_not_keep_the_server_from_starting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = {"registry": {"url": "http://127.0.0.1:9", "timeout": 0.5}, **RULES}
    async with started(SchemaMiddleware(Inner(), config)) as said:
        assert types(said) == ["lifespan.startup.complete"]
    assert "serving starts without user@latest" in caplog.text


async def test_an_app_whose_start_fails_takes_us_with_it() -> None:
    middleware = SchemaMiddleware(Inner(startup="no"), RULES, registry=registry_with_user())
    async with started(middleware) as said:
        assert said == [{"type": "lifespan.startup.failed", "message": "no"}]
        assert middleware._runtime is None


async def test_a_server_that_silences_other_loggers_does_not_silence_ours() -> None:
    """As vLLM does by its root logger."""
    ours, root = logging.getLogger("llm_integrations"), logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        async with started(SchemaMiddleware(Inner(), RULES, registry=registry_with_user())):
            assert ours.getEffectiveLevel() == logging.WARNING
    finally:
        root.setLevel(before)
        ours.setLevel(logging.NOTSET)


class TestWithoutLifespan:
    async def test_the_first_request_starts_everything(self) -> None:
        server = Server(chat_reply(GOOD), **RULES)
        assert (await server.post()).headers["x-schema-valid"] == "true"

    async def test_a_wrong_configuration_refuses_every_request_without_telling_why(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = Server(chat_reply(GOOD), rules=[{"wrong": "secret"}])
        for path in (CHAT, "/health"):
            reply = await server.post(path=path)
            assert (reply.status, reply.json["error"]["code"]) == (500, 500)
            assert "secret" not in reply.body.decode()
        assert server.requests == []
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await server.middleware({"type": "websocket", "path": "/any"}, receive, send)
        assert sent == ["websocket.close"]
        assert "rules.0.wrong: Extra inputs are not permitted" in caplog.text


def test_under_uvicorn_a_wrong_file_is_a_clean_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("never reached")

    config = tmp_path / "serving.yaml"
    config.write_text("rules: [{output: {schema: user, mode: block}}]\n")
    monkeypatch.setenv("LLM_INTEGRATIONS_SERVING_CONFIG", str(config))
    with pytest.raises(SystemExit) as ended:
        # The level is the process's: a server of another test may have left a higher one.
        uvicorn.run(
            SchemaMiddleware(app), port=0, host="127.0.0.1", log_config=None, log_level="error"
        )
    assert ended.value.code == 3
    assert "rules.0.output.mode: Input should be 'enforce', 'warn' or 'off'" in caplog.text
    assert "Traceback" not in caplog.text
