"""The ``llm-integrations`` command."""

from __future__ import annotations

import os
import sys

from llm_integrations.core.cli.output.pipe import print_anything
from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.extras import extra_with, require_extra
from llm_integrations.core.files import reason_of

__all__ = ["main"]


def main() -> None:
    """Run the command. Exit code 2, and one line, for whatever keeps it from telling."""
    print_anything()
    try:
        require_extra("cli", "typer", "rich")
        from llm_integrations.core.cli.app import app

        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except LLMIntegrationsError as error:
        _end(str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:
        _end(f"{error.filename or 'what it prints'}: {reason_of(error)}")
    except ImportError as error:
        name = error.name or str(error)
        _end(f"{name} is not installed: pip install 'llm-integrations[{extra_with(name)}]'")
    except Exception as error:  # noqa: BLE001 - a fault of ours: it must not look like a verdict on the data
        first = str(error).partition("\n")[0]
        _end(f"{type(error).__name__}: {first} (a fault; --verbose shows where)")


def _end(line: str) -> None:
    if os.environ.get("LLM_INTEGRATIONS_VERBOSE"):
        import traceback

        traceback.print_exc()
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(2) from None
