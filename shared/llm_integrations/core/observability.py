"""Metrics (prometheus-client, default registry, so that a host's /metrics shows them) and logs.

One label set per metric name. A subject is a label only once it resolved in the registry, since
clients can name any; otherwise ``unknown``.

A metric is made when it is first used: prometheus-client brings an HTTP server along, and importing
it takes longer than importing all of ours.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from llm_integrations.core.errors import LLMIntegrationsError

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "CACHE_HITS",
    "CACHE_MISSES",
    "CACHE_REJECTED",
    "CACHE_STALE",
    "CIRCUIT_BREAKER_STATE",
    "EVENTS_DELIVERY_DURATION",
    "EVENTS_DELIVERY_FAILURES",
    "EVENTS_PUBLISHED",
    "UNKNOWN_SUBJECT",
    "VALIDATION_DURATION",
    "VALIDATION_FAILURES",
    "VALIDATION_TOTAL",
    "WEBHOOK_FAILURES",
    "WEBHOOK_REQUESTS",
    "WEBHOOK_REQUEST_DURATION",
    "Metric",
    "get_logger",
    "log_failure",
]

UNKNOWN_SUBJECT: Final = "unknown"

M = TypeVar("M", "Counter", "Gauge", "Histogram")

_making = threading.Lock()


class Metric(Generic[M]):
    """A metric of prometheus-client with labels."""

    def __init__(self, make: Callable[[], M]) -> None:
        self._make: Callable[[], M] = make
        self._made: M | None = None

    def labels(self, *values: str) -> M:
        """The child with these label values; keep it where it is used often."""
        if self._made is None:
            with _making:
                self._made = self._made or self._make()
        return self._made.labels(*values)


def _counter(name: str, help_text: str, labels: Sequence[str]) -> Metric[Counter]:
    def make() -> Counter:
        from prometheus_client import Counter

        return Counter(name, help_text, labels)

    return Metric(make)


def _gauge(name: str, help_text: str, labels: Sequence[str]) -> Metric[Gauge]:
    def make() -> Gauge:
        from prometheus_client import Gauge

        return Gauge(name, help_text, labels, multiprocess_mode="mostrecent")

    return Metric(make)


def _histogram(
    name: str, help_text: str, labels: Sequence[str], buckets: Sequence[float]
) -> Metric[Histogram]:
    def make() -> Histogram:
        from prometheus_client import Histogram

        return Histogram(name, help_text, labels, buckets=buckets)

    return Metric(make)


_FAST = (5e-6, 2e-5, 1e-4, 5e-4, 2e-3, 1e-2, 5e-2, 0.25, 1.0, 5.0)
_NETWORK = (1e-3, 5e-3, 2e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

VALIDATION_TOTAL: Final = _counter(
    "llm_integrations_validation_total",
    "Pieces of data that reached a schema; outcome is valid, invalid or unjudged.",
    ["module", "subject", "side", "outcome"],
)
VALIDATION_FAILURES: Final = _counter(
    "llm_integrations_validation_failures_total",
    "Pieces of data that did not satisfy their schema.",
    ["module", "subject", "side"],
)
VALIDATION_DURATION: Final = _histogram(
    "llm_integrations_validation_duration_seconds",
    "Time to judge one piece of data.",
    ["module", "side"],
    _FAST,
)
CACHE_HITS: Final = _counter(
    "llm_integrations_cache_hits_total", "Schemas answered from the cache.", ["registry"]
)
CACHE_MISSES: Final = _counter(
    "llm_integrations_cache_misses_total", "Schemas that had to be fetched.", ["registry"]
)
CACHE_REJECTED: Final = _counter(
    "llm_integrations_cache_rejected_total",
    "Answers of a registry against which a good copy was kept.",
    ["registry"],
)
CACHE_STALE: Final = _counter(
    "llm_integrations_cache_stale_total",
    "Schemas answered from a copy that was past its time; hits as well.",
    ["registry"],
)
CIRCUIT_BREAKER_STATE: Final = _gauge(
    "llm_integrations_circuit_breaker_state", "0 closed, 1 half-open, 2 open.", ["target"]
)
EVENTS_PUBLISHED: Final = _counter(
    "llm_integrations_events_published_total", "Events published.", ["transport", "event_type"]
)
EVENTS_DELIVERY_DURATION: Final = _histogram(
    "llm_integrations_events_delivery_duration_seconds",
    "From the event's arrival to the end of its handler.",
    ["transport", "event_type"],
    _NETWORK,
)
EVENTS_DELIVERY_FAILURES: Final = _counter(
    "llm_integrations_events_delivery_failures_total",
    "Events whose handler failed for good.",
    ["transport", "event_type"],
)
WEBHOOK_REQUESTS: Final = _counter(
    "llm_integrations_webhook_requests_total", "Webhook requests sent.", ["endpoint"]
)
WEBHOOK_REQUEST_DURATION: Final = _histogram(
    "llm_integrations_webhook_request_duration_seconds",
    "Time of one webhook request.",
    ["endpoint"],
    _NETWORK,
)
WEBHOOK_FAILURES: Final = _counter(
    "llm_integrations_webhook_failures_total",
    "Webhook requests that were not acknowledged.",
    ["endpoint"],
)


def get_logger(name: str) -> logging.Logger:
    """A stdlib logger; structured fields go into ``extra`` with the prefix ``llmi_``."""
    return logging.getLogger(name)


def log_failure(log: logging.Logger, what: str, error: Exception) -> None:
    """Log an error that nobody else hears of; with a traceback if it is none of ours."""
    log.error("%s: %s", what, error, exc_info=not isinstance(error, LLMIntegrationsError))
