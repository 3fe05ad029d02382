"""What is vLLM's own: names, and what plain serving refuses to guess."""

from __future__ import annotations

import asyncio

import pytest

from llm_integrations import serving, vllm
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.serving.runtime.runtime import Runtime
from tests.support.serving_apps import GOOD, Server, chat_reply, counted, registry_with_user

RULES = {"rules": [{"output": {"schema": "user", "constrain": True}}]}


def test_it_is_the_serving_middleware_with_parts_of_its_own() -> None:
    assert issubclass(vllm.SchemaMiddleware, serving.SchemaMiddleware)
    assert vllm.MiddlewareConfig is serving.MiddlewareConfig
    assert vllm.ModelServingIntegration("memory://").name == "vllm"


def test_its_file_is_named_by_a_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLM_INTEGRATIONS_VLLM_CONFIG", raising=False)
    with pytest.raises(ConfigurationError, match="set LLM_INTEGRATIONS_VLLM_CONFIG to"):
        vllm.load_config()


def test_it_counts_under_its_name() -> None:
    before = counted("valid", module="vllm")
    server = Server(chat_reply(GOOD), kind=vllm.SchemaMiddleware)
    asyncio.run(server.post())
    assert counted("valid", module="vllm") == before + 1


def test_constrain_is_refused_where_the_servers_way_is_not_known() -> None:
    with pytest.raises(ConfigurationError, match="constrain: how serving is told a schema"):
        Runtime(serving.SchemaMiddleware.server, RULES, registry_with_user())
