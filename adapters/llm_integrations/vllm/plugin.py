"""Before vLLM loads its engine: the middleware's configuration is checked.

vLLM makes its middlewares after the engine, which takes a while to load; its plugins come before.
"""

from __future__ import annotations

import multiprocessing
import os
import sys

from llm_integrations.core.observability import get_logger
from llm_integrations.serving.runtime.examine import examine
from llm_integrations.vllm.middleware import SchemaMiddleware

__all__ = ["check_before_start"]

log = get_logger(__name__)


def check_before_start() -> None:
    """End a server's start where its configuration would end it after the engine's.

    vLLM calls it in each of its processes; only the first one looks, where its command line asks
    for a server with the middleware.

    Raises:
        ConfigurationError: the configuration, or a schema that it names, cannot be used.
    """
    server = SchemaMiddleware.server
    if not (os.environ.get(server.config_variable) and _starts_server(sys.argv)):
        return
    for reference, reason in examine(server).unreachable.items():
        log.warning("%s starts without %s: %s", server.name, reference, reason)


def _starts_server(arguments: list[str]) -> bool:
    if multiprocessing.parent_process() is not None:
        return False
    is_server = "serve" in arguments or any("api_server" in text for text in arguments)
    return is_server and any("llm_integrations.vllm" in text for text in arguments)
