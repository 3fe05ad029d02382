"""What a real test needs: skipped where it is absent, an error where nothing may skip."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

__all__ = ["needs"]


def needs(install: str, *modules: str, programs: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Skip unless these can be imported and run; with LLM_INTEGRATIONS_NO_SKIP set, fail later.

    Args:
        install: the script under tests/real that installs them.
    """
    missing = [name for name in modules if find_spec(name) is None]
    missing += [name for name in programs if shutil.which(name) is None]
    absent = bool(missing) and not os.environ.get("LLM_INTEGRATIONS_NO_SKIP")
    reason = f"{', '.join(missing)} is missing: run tests/real/{install}"
    return pytest.mark.skipif(absent, reason=reason)
