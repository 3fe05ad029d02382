"""The ``llm-integrations`` command."""

from __future__ import annotations

import sys

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.extras import require_extra

__all__ = ["main"]


def main() -> None:
    """Run the command; our errors become one line and exit code 2."""
    try:
        require_extra("cli", "typer", "rich")
        from llm_integrations.core.cli.app import app

        app()
    except LLMIntegrationsError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        # The pipe's reader (head, less) has closed it; Python would report it again at exit.
        sys.stderr.close()
        raise SystemExit(0) from None
