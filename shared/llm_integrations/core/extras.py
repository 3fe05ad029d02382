"""Optional parts: a missing one is a single clear error."""

from __future__ import annotations

from importlib.util import find_spec

from llm_integrations.core.errors import MissingExtra

__all__ = ["require_extra"]


def require_extra(extra: str, *modules: str) -> None:
    """Raise MissingExtra, naming the pip command, unless every top-level module can be imported.

    Adapters call it in the first line of their ``__init__``; core modules at the place of use.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"{', '.join(missing)} is not installed: pip install 'llm-integrations[{extra}]'"
        )
