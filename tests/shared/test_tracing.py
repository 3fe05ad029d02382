"""Spans where OpenTelemetry is installed, and no cost of any kind where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llm_integrations.core import tracing
from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.events import InMemoryEventBus, SchemaEvent
from llm_integrations.core.registry import connect
from tests.support.events import until


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", lambda: provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def test_a_request_to_the_registry_is_a_span_and_a_cached_answer_is_none(
    spans: InMemorySpanExporter,
) -> None:
    with connect("memory://") as registry:
        registry.register("user", {"type": "object"})
        spans.clear()
        registry.invalidate()
        with pytest.raises(SchemaNotFound):
            registry.get("nobody")
        registry.get("user@1")
    finished = spans.get_finished_spans()
    assert {span.name for span in finished} == {"llm_integrations.registry"}
    assert not finished[0].status.is_ok
    assert dict(finished[0].attributes or {}) == {"llm_integrations.registry": "memory://"}


async def test_handling_an_event_is_a_span(spans: InMemorySpanExporter) -> None:
    seen: list[SchemaEvent] = []
    async with InMemoryEventBus() as bus:
        await bus.subscribe(seen.append)
        await bus.publish(SchemaEvent.registered("id", "", "user", 1))
        await until(lambda: seen and spans.get_finished_spans())
    [span] = spans.get_finished_spans()
    assert span.name == "llm_integrations.event"
    assert dict(span.attributes or {}) == {
        "llm_integrations.subject": "user",
        "llm_integrations.bus": "memory",
    }


def test_until_the_application_sets_a_provider_no_span_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    proxy = trace.ProxyTracer("test")
    monkeypatch.setattr(tracing, "_tracer", lambda: proxy)
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    assert tracing.span("one", {}) is tracing.span("two", {})
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with tracing.span("three", {}):
        pass
    assert [span.name for span in exporter.get_finished_spans()] == ["three"]
    provider.shutdown()


def test_without_it_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    assert tracing._tracer.__wrapped__() is None
    with connect("memory://") as registry:
        registry.register("user", {"type": "object"})


def test_sources_without_the_packages_metadata_are_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", unknown)
    tracing._tracer.cache_clear()
    try:
        with connect("memory://") as registry:
            registry.register("user", {"type": "object"})
            assert registry.get("user").version == 1
    finally:
        tracing._tracer.cache_clear()
