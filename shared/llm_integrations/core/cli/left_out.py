"""Reading the latest of all subjects without logging those left out: commands print them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from llm_integrations.core.registry import Latest, Registry
from llm_integrations.core.registry.listing import left_out

__all__ = ["latest_of"]


def latest_of(client: Registry) -> Latest:
    """The latest of all subjects; the calling command prints what is left out, the log does not."""
    with _unlogged():
        return client.latest()


@contextmanager
def _unlogged() -> Iterator[None]:
    log = logging.getLogger(left_out.__name__)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
