"""The example in docs/examples/serving, as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from llm_integrations.core.registry import connect
from tests.support.serving_apps import BAD, CHAT, GOOD, USER, chat_request

APP = Path(__file__).parents[2] / "docs/examples/serving/app.py"


def test_it_tells_whoever_has_the_key_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(f"file:{tmp_path}") as registry:
        registry.register("question", {"required": ["name"]})
        registry.register("user-profile", USER)
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", f"file:{tmp_path}")
    monkeypatch.setenv("MODEL_API_KEY", "right")
    with TestClient(runpy.run_path(str(APP))["app"]) as http:
        assert http.post(CHAT, json=chat_request("{}")).status_code == 401
        http.headers["authorization"] = "Bearer right"
        assert http.post(CHAT, json=chat_request(GOOD)).headers["x-schema-valid"] == "true"
        refused = http.post(CHAT, json=chat_request("{}")).json()["error"]
        assert refused["param"] == "body.messages.0.content"
        assert http.post(CHAT, json=chat_request(BAD)).status_code == 500
