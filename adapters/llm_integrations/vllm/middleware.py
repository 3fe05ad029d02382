"""The serving middleware in front of vLLM."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Final

from llm_integrations import serving
from llm_integrations.serving.asgi.layers import layers_of
from llm_integrations.serving.runtime.server import Server
from llm_integrations.vllm.constraint import Constrainer

__all__ = ["ModelServingIntegration", "SchemaMiddleware", "load_config"]

_CONFIG_VARIABLE: Final = "LLM_INTEGRATIONS_VLLM_CONFIG"

load_config = partial(serving.load_config, variable=_CONFIG_VARIABLE)


class ModelServingIntegration(serving.ModelServingIntegration):
    """The same under vLLM's name."""

    @property
    def name(self) -> str:
        return "vllm"


def _find_key_check(app: Any) -> Any | None:
    """The middleware that verifies tokens, if it is further inside."""
    checks = (each for each in layers_of(app) if callable(getattr(each, "verify_token", None)))
    return next((check for check in checks if hasattr(check, "app")), None)


class SchemaMiddleware(serving.SchemaMiddleware):
    """``vllm serve MODEL --middleware llm_integrations.vllm.SchemaMiddleware``.

    Reads the YAML file that LLM_INTEGRATIONS_VLLM_CONFIG names. It asks the server's own check of
    API keys, and constrains decoding where a rule says so.
    """

    server: ClassVar[Server] = Server(
        name="vllm",
        config_variable=_CONFIG_VARIABLE,
        key_variable="VLLM_API_KEY",
        find_key_check=_find_key_check,
        guarded="/v1",
        constrainer=Constrainer,
        integration=ModelServingIntegration,
    )
