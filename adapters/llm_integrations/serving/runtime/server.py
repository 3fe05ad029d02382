"""What differs between the servers that the middleware can stand in front of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.validation import Validator
from llm_integrations.serving.config.file import CONFIG_VARIABLE
from llm_integrations.serving.rules.table import RuleTable
from llm_integrations.serving.runtime.integration import ModelServingIntegration
from llm_integrations.serving.shapes.base import Body

__all__ = ["Constrainer", "Server", "constrainer_for"]


class Constrainer(Protocol):
    """Makes a server decode by a schema."""

    def fields(self, shape: str, request: Body, validator: Validator) -> Mapping[str, Any]:
        """Top-level request fields to set; none where that cannot be, or the client has its own."""
        ...

    def failed(self, validator: Validator, status: int) -> None:
        """The server answered so to a request with the schema, and took it without."""
        ...

    def took(self, validator: Validator) -> None:
        """The server took a request with the schema."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of model server. The defaults are any OpenAI-compatible app's.

    Attributes:
        name: in metrics, logs and events.
        config_variable: environment variable with the path of the YAML file.
        key_variable: environment variable with the server's API key, if it reads one.
        find_key_check: the server's own check of API keys, found inside an app.
        guarded: the beginning of the paths that this check wants a key for.
        constrainer: for rules with ``constrain``; None where the server's way is not known.
    """

    name: str = "serving"
    config_variable: str = CONFIG_VARIABLE
    key_variable: str = ""
    find_key_check: Callable[[Any], Any | None] = lambda _app: None
    guarded: str = ""
    constrainer: Callable[[], Constrainer] | None = None
    integration: type[ModelServingIntegration] = ModelServingIntegration


def constrainer_for(server: Server, table: RuleTable) -> Constrainer | None:
    """Raises ConfigurationError for rules that constrain a server whose way is not known."""
    if server.constrainer is not None:
        return server.constrainer()
    if any(rule.output and rule.output.config.constrain for rule in table.rules()):
        raise ConfigurationError(
            f"constrain: how {server.name} is told a schema is not known; "
            "llm_integrations.vllm.SchemaMiddleware tells vLLM"
        )
    return None
