"""The ``llm-integrations`` command."""

from __future__ import annotations

import io
import os
import sys

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.extras import extra_with, require_extra
from llm_integrations.core.files import reason_of

__all__ = ["main"]


def main() -> None:
    """Run the command. Exit code 2, and one line, for whatever keeps it from telling."""
    _print_anything()
    try:
        require_extra("cli", "typer", "rich")
        from llm_integrations.core.cli.app import app

        app()
    except LLMIntegrationsError as error:
        _end(str(error))
    except BrokenPipeError:
        # The pipe's reader (head, less) has closed it; Python would report it again at exit.
        sys.stderr.close()
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:
        _end(f"{error.filename or 'a file'}: {reason_of(error)}")
    except ImportError as error:
        name = error.name or str(error)
        _end(f"{name} is not installed: pip install 'llm-integrations[{extra_with(name)}]'")
    except Exception as error:  # noqa: BLE001 - a fault of ours: it must not look like a verdict on the data
        first = str(error).partition("\n")[0]
        _end(f"{type(error).__name__}: {first} (a fault; --verbose shows where)")


def _print_anything() -> None:
    """Names and values hold what a terminal's encoding may lack; no verdict ends at that."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end(line: str) -> None:
    if os.environ.get("LLM_INTEGRATIONS_VERBOSE"):
        import traceback

        traceback.print_exc()
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(2) from None
