"""That a schema is judged row by row after all."""

from __future__ import annotations

__all__ = ["WholeRows"]


class WholeRows(Exception):
    """Internal: columns cannot decide, or not at a sensible cost. Says why."""
