"""``proxy``: judge what goes to a server that is elsewhere, and what comes back."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer

from llm_integrations.core.cli.listening import listen, run_server
from llm_integrations.core.cli.options import RegistryUrl
from llm_integrations.core.extras import require_extra

__all__ = ["proxy"]

_ADAPTER: Final = "llm_integrations.serving.upstream.proxy"
"""Found by its name: the core knows no adapter."""


def proxy(
    upstream: Annotated[
        str, typer.Option(help="The server's base URL, as https://api.example/v1.")
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            help="The middleware's YAML file; else LLM_INTEGRATIONS_SERVING_CONFIG.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    registry: RegistryUrl = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8080,
    cert: Annotated[Path | None, typer.Option(help="Certificate (PEM), to speak https.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that the server may be silent.", min=1)
    ] = 600.0,
) -> None:
    """Stand between clients and an OpenAI- or Anthropic-compatible URL.

    Clients take this address for their base URL; their keys pass through, and are never logged.
    The registry is what the file names, else --registry.

    Example: `llm-integrations proxy --upstream https://api.openai.com/v1 --config rules.yaml`
    """
    require_extra("proxy", "uvicorn")
    # Read here so that a file that is wrong ends the command before it listens.
    import_module("llm_integrations.serving").load_config(config)
    app = import_module(_ADAPTER).proxy_app(
        upstream, config, default_registry=registry, timeout=timeout
    )
    run_server(app, listen(host, port), cert, key)
