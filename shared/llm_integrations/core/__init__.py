"""What no framework is needed for; ``docs/architecture.md`` shows its rooms and floors."""

from __future__ import annotations

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """The version is looked up when it is first asked for: few programs ask."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("llm-integrations")
    except PackageNotFoundError:  # run from its sources
        return "0+unknown"
