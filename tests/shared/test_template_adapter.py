"""The template that new adapters are copied from: small, and it does what an adapter must."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.errors import (
    ConfigurationError,
    RegistryUnavailable,
    SchemaValidationError,
)
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.stamp import SUBJECT, VALID, VERSION

PATH = Path(__file__).parents[2] / "docs/examples/template_adapter/adapter.py"
SCHEMA = {"type": "object", "required": ["title"], "additionalProperties": False}
SCHEMA["properties"] = {"title": {"type": "string"}}
RELAXED = {"type": "object"}

GOOD: dict[str, Any] = {"id": "a", "metadata": {"title": "A"}, "photo": b"\x89PNG\xff"}
BAD: dict[str, Any] = {"id": "b", "metadata": {"name": "canary"}, "photo": b"\x89PNG\xfe"}


@pytest.fixture(scope="module")
def template() -> Any:
    spec = importlib.util.spec_from_file_location("template_adapter", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("doc-meta", SCHEMA)
        yield client


def test_an_adapter_with_all_its_parts_fits_in_150_lines() -> None:
    assert len(PATH.read_text().splitlines()) <= 150


async def test_valid_records_go_on_stamped_and_the_others_are_set_aside(
    template: Any, registry: Registry, tmp_path: Path
) -> None:
    step = template.SchemaFilter("doc-meta", registry, quarantine=tmp_path)
    for kept in (step([GOOD, BAD]), await step.acall([GOOD, BAD])):
        assert [(r["id"], r["metadata"][SUBJECT], r["metadata"][VERSION]) for r in kept] == [
            ("a", "doc-meta", "1")
        ]
        assert step(kept) == kept  # the stamp is none of what is judged
    [record] = Quarantine(tmp_path).records()
    assert (record.position, record.value, record.judged) == ("b", BAD, BAD["metadata"])


async def test_without_a_quarantine_the_record_is_named(template: Any, registry: Registry) -> None:
    step = template.SchemaFilter("doc-meta", registry)
    with pytest.raises(SchemaValidationError, match="document b does not satisfy doc-meta@1"):
        step([GOOD, BAD])
    with pytest.raises(SchemaValidationError, match="document b"):
        await step.acall([GOOD, BAD])


async def test_warn_hands_on_what_is_invalid_and_says_so(
    template: Any, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    step = template.SchemaFilter("doc-meta", registry, mode="warn")
    with caplog.at_level(logging.WARNING):
        first, second = step([GOOD, BAD])
    assert VALID not in first["metadata"]
    assert second["metadata"][VALID] is False
    assert "template document b does not satisfy doc-meta@1" in caplog.text
    assert "canary" not in caplog.text
    assert await step.acall([GOOD, BAD]) == [first, second]


async def test_off_touches_nothing(template: Any, registry: Registry) -> None:
    step = template.SchemaFilter("no-such-schema", registry, mode="off")
    assert step([BAD])[0] is BAD
    assert (await step.acall([BAD]))[0] is BAD


async def test_no_schema_stops_enforce_and_lets_warn_pass_unstamped(template: Any) -> None:
    with connect("http://127.0.0.1:9", timeout=0.2) as away:
        with pytest.raises(RegistryUnavailable):
            step = template.SchemaFilter("doc-meta", away)
            await step.acall([BAD])
        assert template.SchemaFilter("doc-meta", away, mode="warn")([BAD]) == [BAD]


def test_a_wrong_mode_is_refused_at_once(template: Any, registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="mode"):
        template.SchemaFilter("doc-meta", registry, mode="strict")


async def test_what_a_new_version_takes_comes_back_as_it_came(
    template: Any, registry: Registry, tmp_path: Path
) -> None:
    step = template.SchemaFilter("doc-meta", registry, quarantine=tmp_path)
    step([BAD])
    handed_on: list[Any] = []
    integration = template.FilterIntegration(step, handed_on.extend)
    new = registry.register("doc-meta", RELAXED, compatibility="NONE")
    event = SchemaEvent.updated(new.id, "", "doc-meta", "2", "1")
    await integration.handle_schema_event(event)
    await integration.handle_schema_event(event)
    assert handed_on == [BAD]
    assert step.quarantine.count() == 0


async def test_an_event_that_comes_late_releases_by_the_version_in_force(
    template: Any, registry: Registry, tmp_path: Path
) -> None:
    step = template.SchemaFilter("doc-meta", registry, quarantine=tmp_path)
    step([BAD])
    handed_on: list[Any] = []
    integration = template.FilterIntegration(step, handed_on.extend)
    relaxed = registry.register("doc-meta", RELAXED, compatibility="NONE")
    registry.register("doc-meta", {**SCHEMA, "minProperties": 1}, compatibility="NONE")
    await integration.handle_schema_event(SchemaEvent.updated(relaxed.id, "", "doc-meta", "2", "1"))
    assert handed_on == []
    registry.delete_subject("doc-meta")
    await integration.handle_schema_event(SchemaEvent.updated(relaxed.id, "", "doc-meta", "2", "1"))
    assert (handed_on, step.quarantine.count()) == ([], 1)
