"""OpenTelemetry spans, where ``[otel]`` is installed; nothing at all elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from importlib.util import find_spec
from types import ModuleType
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
    if tracer is None or _is_lost(tracer):
        return _NONE
    return tracer.start_as_current_span(name, attributes=attributes)


@cache
def _tracer() -> Tracer | None:
    if find_spec("opentelemetry") is None:
        return None
    from importlib.metadata import PackageNotFoundError, version

    ours: str | None = None
    with suppress(PackageNotFoundError):  # as where the sources alone are on the path
        ours = version("llm-integrations")
    tracer: Tracer = _api().get_tracer("llm_integrations", ours)
    return tracer


def _is_lost(tracer: Tracer) -> bool:
    """Whether a span would go nowhere, as long as the application has set no provider.

    OpenTelemetry would still build it, for more than handling an event costs.
    """
    trace = _api()
    return isinstance(tracer, trace.ProxyTracer) and isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider
    )


@cache
def _api() -> ModuleType:
    from opentelemetry import trace

    return trace
