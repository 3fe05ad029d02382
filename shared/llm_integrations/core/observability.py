"""Metrics (prometheus-client, default registry, so that a host's /metrics shows them) and logs.

One label set per metric name. A subject is a label only once it resolved in the registry, since
clients can name any; otherwise ``unknown``.

A metric is made when it is first used: prometheus-client brings an HTTP server along, and importing
it takes longer than importing all of ours.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from llm_integrations.core.errors import LLMIntegrationsError

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "CACHE_HITS",
    "CACHE_MISSES",
    "CACHE_REJECTED",
    "CACHE_STALE",
    "CIRCUIT_BREAKER_STATE",
    "CONSTRAINTS_REFUSED",
    "EVENTS_DELIVERY_DURATION",
    "EVENTS_DELIVERY_FAILURES",
    "EVENTS_PUBLISHED",
    "RULES_RELOADS",
    "TOKENS_DROPPED",
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
    """A metric of prometheus-client with labels.

    Args:
        kind: the name of its class there.
        options: what else the class takes, as ``buckets``.
    """

    def __init__(
        self, kind: str, name: str, help_text: str, labels: Sequence[str], **options: Any
    ) -> None:
        self._kind = kind
        self._arguments = (name, help_text, labels)
        self._options = options
        self._made: M | None = None

    def labels(self, *values: str) -> M:
        """The child with these label values; keep it where it is used often."""
        if self._made is None:
            with _making:
                self._made = self._made or self._make()
        return self._made.labels(*values)

    def _make(self) -> M:
        import prometheus_client

        made: M = getattr(prometheus_client, self._kind)(*self._arguments, **self._options)
        return made


_FAST = (5e-6, 2e-5, 1e-4, 5e-4, 2e-3, 1e-2, 5e-2, 0.25, 1.0, 5.0)
_NETWORK = (1e-3, 5e-3, 2e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

VALIDATION_TOTAL: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_validation_total",
    "Pieces of data that reached a schema; outcome is valid, invalid or unjudged.",
    ["module", "subject", "side", "outcome"],
)
VALIDATION_FAILURES: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_validation_failures_total",
    "Pieces of data that did not satisfy their schema.",
    ["module", "subject", "side"],
)
VALIDATION_DURATION: Final[Metric[Histogram]] = Metric(
    "Histogram",
    "llm_integrations_validation_duration_seconds",
    "Time to judge one piece of data.",
    ["module", "side"],
    buckets=_FAST,
)
CACHE_HITS: Final[Metric[Counter]] = Metric(
    "Counter", "llm_integrations_cache_hits_total", "Schemas answered from the cache.", ["registry"]
)
CACHE_MISSES: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_cache_misses_total",
    "Schemas that had to be fetched.",
    ["registry"],
)
CACHE_REJECTED: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_cache_rejected_total",
    "Answers of a registry against which a good copy was kept.",
    ["registry"],
)
CACHE_STALE: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_cache_stale_total",
    "Schemas answered from a copy that was past its time; hits as well.",
    ["registry"],
)
CONSTRAINTS_REFUSED: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_constraints_refused_total",
    "Schemas that a model server would not decode by; they are left out of requests for a while.",
    ["module", "subject"],
)
RULES_RELOADS: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_rules_reloads_total",
    "Changes of a middleware's file; outcome is loaded, or rejected where the rules stayed.",
    ["module", "outcome"],
)
TOKENS_DROPPED: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_dropped_tokens_total",
    "Tokens of a model's answers that were withheld, or asked for again.",
    ["module", "subject"],
)
CIRCUIT_BREAKER_STATE: Final[Metric[Gauge]] = Metric(
    "Gauge",
    "llm_integrations_circuit_breaker_state",
    "0 closed, 1 half-open, 2 open.",
    ["target"],
    multiprocess_mode="mostrecent",
)
EVENTS_PUBLISHED: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_events_published_total",
    "Events published.",
    ["transport", "event_type"],
)
EVENTS_DELIVERY_DURATION: Final[Metric[Histogram]] = Metric(
    "Histogram",
    "llm_integrations_events_delivery_duration_seconds",
    "From the event's arrival to the end of its handler.",
    ["transport", "event_type"],
    buckets=_NETWORK,
)
EVENTS_DELIVERY_FAILURES: Final[Metric[Counter]] = Metric(
    "Counter",
    "llm_integrations_events_delivery_failures_total",
    "Events whose handler failed for good.",
    ["transport", "event_type"],
)
WEBHOOK_REQUESTS: Final[Metric[Counter]] = Metric(
    "Counter", "llm_integrations_webhook_requests_total", "Webhook requests sent.", ["endpoint"]
)
WEBHOOK_REQUEST_DURATION: Final[Metric[Histogram]] = Metric(
    "Histogram",
    "llm_integrations_webhook_request_duration_seconds",
    "Time of one webhook request.",
    ["endpoint"],
    buckets=_NETWORK,
)
WEBHOOK_FAILURES: Final[Metric[Counter]] = Metric(
    "Counter",
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
