"""The command as a shell runs it, but in this process: a start costs more than most calls."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from llm_integrations.core.cli import main

__all__ = ["run_command"]

_FORCING = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What ``llm-integrations`` prints into a pipe and ends with."""
    output, errors = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        patch.object(sys, "argv", ["llm-integrations", *arguments]),
        patch.dict(os.environ, {}),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        for name in _FORCING:
            os.environ.pop(name, None)
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())
