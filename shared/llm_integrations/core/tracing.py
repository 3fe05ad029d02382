"""OpenTelemetry spans, where ``[otel]`` is installed; nothing at all elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["span"]

_NONE: AbstractContextManager[object] = nullcontext()


def span(name: str, attributes: Mapping[str, str]) -> AbstractContextManager[object]:
    """A span around a ``with`` block; errors are recorded on it.

    Args:
        name: what is done, as ``llm_integrations.registry``.
        attributes: no credentials and no data values.
    """
    tracer = _tracer()
    if tracer is None:
        return _NONE
    return tracer.start_as_current_span(name, attributes=attributes)


@cache
def _tracer() -> Tracer | None:
    if find_spec("opentelemetry") is None:
        return None
    from importlib.metadata import version

    from opentelemetry import trace

    return trace.get_tracer("llm_integrations", version("llm-integrations"))
