"""What a registry loses, mixes up or breaks: the last good copy stays in force, logged, counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.config import CacheOptions, ValidationOptions
from llm_integrations.core.errors import InvalidSchema, RegistryProtocolError, SchemaNotFound
from llm_integrations.core.registry import Registry, connect
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.patience import until
from tests.support.registry_server import RegistryServer, answering

__all__ = ["connected", "server"]

BROKEN = {"type": "no such type"}
LOOKAROUND = {"type": "string", "pattern": "(?=a)b"}
DANGLING = {"$ref": "#/$defs/gone"}


def rejected(registry: Registry) -> float:
    labels = {"registry": registry.url}
    return REGISTRY.get_sample_value("llm_integrations_cache_rejected_total", labels) or 0.0


def answer_of(**differs: Any) -> dict[str, Any]:
    return {
        "id": 1, "subject": "s", "version": 1, "schemaType": "JSON", "schema": "{}", **differs
    }  # fmt: skip


@pytest.mark.parametrize(
    "lie",
    [{"version": 99}, {"subject": "other"}, {"version": None}, {"version": "1"}, {"subject": 7}],
    ids=str,
)
class TestAnAnswerForSomethingElse:
    def test_is_a_protocol_error(
        self, server: RegistryServer, connected: Connect, lie: dict[str, Any]
    ) -> None:
        server.fault = answering(200, answer_of(**lie))
        registry = connected()
        for ask in (registry.get, registry.validator, registry.in_force):
            with pytest.raises(RegistryProtocolError):
                ask("s@1")

    def test_replaces_no_copy(
        self,
        server: RegistryServer,
        connected: Connect,
        lie: dict[str, Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        server.add("s", OBJECT)
        registry = connected(cache={"ttl": 0.0, "refresh_pause": 0.0})
        copy = registry.get("s@1")
        server.fault = answering(200, answer_of(**lie))
        before = rejected(registry)
        assert registry.in_force("s@1") is copy
        assert registry.get("s@1") is copy
        assert rejected(registry) > before
        assert "its copy goes on being served" in caplog.text
        server.fault = None
        until(lambda: registry.in_force("s@1") is not copy)
        assert "rejected" not in registry.health().detail


def test_latest_of_another_subject_is_a_protocol_error(
    server: RegistryServer, connected: Connect
) -> None:
    server.fault = answering(200, answer_of(subject="other", version=5))
    with pytest.raises(RegistryProtocolError, match="another subject"):
        connected().get("s")


def test_a_schema_with_another_id_is_a_protocol_error(
    server: RegistryServer, connected: Connect
) -> None:
    server.fault = answering(200, answer_of(id=8))
    with pytest.raises(RegistryProtocolError, match="another id"):
        connected().get_by_id(7)


@pytest.mark.parametrize("how", ["version", "subject"])
def test_an_exact_version_outlives_its_loss_and_is_marked(
    server: RegistryServer, connected: Connect, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.05})
    registry.validator("s@1")
    server.remove("s", 1 if how == "version" else None)
    time.sleep(0.06)
    before = rejected(registry)
    assert registry.get("s@1").state == "ACTIVE", "a refresh runs behind it"
    until(lambda: registry.get("s@1").state == "DELETED")
    assert registry.get("s@1").body == OBJECT
    assert registry.validator("s@1").is_valid({})
    assert registry.in_force("s@1").state == "DELETED"
    assert rejected(registry) > before
    assert sum("goes on being served" in r.getMessage() for r in caplog.records) == 1
    assert "s@1" in registry.health().detail["rejected"]
    with pytest.raises(SchemaNotFound):
        registry.get("s@2")


def test_an_id_outlives_its_loss_too(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0})
    schema = registry.get_by_id(101)
    server.remove("s")
    registry.get_by_id(101)
    until(lambda: registry.get_by_id(101).state == "DELETED")
    assert registry.get_by_id(101).body == schema.body


def test_what_comes_back_is_no_longer_marked(server: RegistryServer, connected: Connect) -> None:
    server.add("s", OBJECT)
    registry = connected()
    registry.get("s@1")
    server.fault = answering(404, {"error_code": 40402, "message": "Version 1 not found."})
    assert registry.in_force("s@1").state == "DELETED"
    server.fault = None
    assert registry.in_force("s@1").state == "ACTIVE"
    assert "rejected" not in registry.health().detail


Use = Callable[[Registry], object]


@pytest.mark.parametrize("body", [BROKEN, LOOKAROUND, DANGLING], ids=["type", "pattern", "ref"])
@pytest.mark.parametrize("use", [Registry.validator, Registry.get], ids=["validator", "get"])
def test_a_latest_that_does_not_compile_leaves_the_last_good_one_in_force(
    server: RegistryServer,
    connected: Connect,
    body: Any,
    use: Callable[..., object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"ttl": 0.0, "stale_ttl": 0.3, "refresh_pause": 0.0})
    use(registry, "s")
    before = rejected(registry)
    server.add("s", body)
    assert registry.in_force("s").version == 1
    assert registry.get("s").version == 1
    assert registry.validator("s").is_valid({})
    assert rejected(registry) > before
    assert "its copy goes on being served" in caplog.text
    assert "s@latest" in registry.health().detail["rejected"]
    for _ in range(5):  # also beyond the time that an outage may last
        time.sleep(0.1)
        assert registry.get("s").version == 1
    server.add("s", {"type": "string"})
    assert registry.in_force("s").version == 3
    assert registry.validator("s").is_valid("text")
    assert "rejected" not in registry.health().detail


def test_a_pattern_that_is_refused_by_the_options_in_use_is_no_use(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", {"type": "string"})
    registry = connected()
    bounded = ValidationOptions(regex="bounded")
    registry.validator("s", options=bounded)
    server.add("s", LOOKAROUND)
    assert registry.in_force("s").version == 2, "nobody judges by other options"
    server.add("s", {"type": "string", "minLength": 1})
    registry.in_force("s")
    registry.validator("s")
    server.add("s", LOOKAROUND)
    assert registry.in_force("s").version == 3


def test_a_latest_that_is_no_json_schema_leaves_the_last_good_one_in_force(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    registry.get("s")
    server.fault = answering(200, answer_of(version=2, schemaType="AVRO"))
    assert registry.in_force("s").version == 1


def test_where_no_copy_was_good_the_latest_is_told_as_it_is(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", BROKEN)
    registry = connected()
    assert registry.get("s").version == 1
    server.add("s", DANGLING)
    assert registry.in_force("s").version == 2
    with pytest.raises(InvalidSchema):
        registry.validator("s")


def test_a_damaged_file_leaves_the_last_good_version_in_force(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "1.json").write_text("{}")
    with connect(str(tmp_path)) as registry:
        registry.validator("s")
        for damaged in ("{", '{"type": "no such type"}', "[1]"):
            (folder / "2.json").write_text(damaged)
            assert registry.in_force("s").version == 1
            assert "s@latest" in registry.health().detail["rejected"]
        (folder / "2.json").write_text("true")
        assert registry.in_force("s").version == 2


DAMAGED = ["{", "", '{"type": NaN}', '{"type": "string", "type": "object"}', "{}\x00"]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_file_is_no_outage_with_a_limit(tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "1.json").write_text("{}")
    at_once = CacheOptions(ttl=0, stale_ttl=0, stale_while_revalidate=0, refresh_pause=0)
    with connect(str(tmp_path), cache=at_once) as registry:
        registry.validator("s")
        (folder / "2.json").write_text(damaged)
        for _ in range(3):
            assert registry.validator("s").is_valid({})
            assert registry.get("s").version == 1
        assert "damaged" in registry.health().detail["rejected"]["s@latest"]


def test_each_version_that_cannot_be_used_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("s", "t"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.json").write_text("{}")
    with connect(str(tmp_path), cache=CacheOptions(refresh_pause=60)) as registry:
        for name in ("s", "t"):
            registry.validator(name)
            (tmp_path / name / "2.json").write_text("{")
            registry.in_force(name)
            registry.in_force(name)
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert [message.split("@")[0] for message in told] == ["s", "t"]
    assert all("2.json is damaged" in message for message in told)
