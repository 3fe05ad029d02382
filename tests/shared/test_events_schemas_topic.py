"""ConfluentTopicSource: a registry's ``_schemas`` topic, by its records and on a real broker."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.events import (
    ConfluentTopicSource,
    EventListener,
    ListenerState,
    SchemaEvent,
)
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.events.sources import confluent_topic
from llm_integrations.core.events.sources.schemas_log import SchemasLog
from llm_integrations.core.model.changes import content_event
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry import Registry, connect
from tests.support.events import Recording, until
from tests.support.kafka import Broker, kafka_broker

URL = "http://registry:8081"
RECORDINGS = Path(__file__).parents[1] / "fixtures" / "recorded_registry"
A = {"type": "object"}
B = {"type": "object", "properties": {"age": {"type": "integer"}}}

Record = tuple[bytes, bytes | None]


def key(subject: str, version: int) -> bytes:
    return json.dumps(
        {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}
    ).encode()


def held(subject: str, version: int, body: Any, *, deleted: bool = False, **more: Any) -> Record:
    value = {
        "subject": subject,
        "version": version,
        "id": 100 + version,
        "schema": json.dumps(body),
        "deleted": deleted,
        "schemaType": "JSON",
        **more,
    }
    return key(subject, version), json.dumps(value).encode()


def purged(subject: str, version: int) -> Record:
    return key(subject, version), None


def subject_deleted(subject: str, version: int) -> Record:
    name = {"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0}
    return json.dumps(name).encode(), json.dumps({"subject": subject, "version": version}).encode()


def apply(*records: Record, log: SchemasLog | None = None) -> list[SchemaEvent]:
    log = log or SchemasLog(URL)
    return [event for record in records for event in log.apply(*record)]


def told(events: list[SchemaEvent]) -> list[str]:
    kinds = {True: " for good", False: " softly"}
    return [
        f"{e.reference} {e.event_type}{kinds.get(e.metadata.get('permanent'), '')}"  # type: ignore[arg-type]  # None is no key
        for e in events
    ]


def recorded(name: str) -> list[Record]:
    records = json.loads((RECORDINGS / name).read_text())
    return [
        (record["key"].encode(), None if record["value"] is None else record["value"].encode())
        for record in records
    ]


def test_the_recorded_topic_of_a_real_registry_is_understood() -> None:
    assert told(apply(*recorded("_schemas_topic.json"))) == [
        "warm@1 registered",
        "orders-value@1 registered",
        "money@1 registered",
        "money@1 deleted softly",
        "orders-value@2 updated",
        "orders-value@3 updated",
        "orders-value@1 deleted softly",
        "orders-value@2 deleted softly",
        "orders-value@3 deleted softly",
        "orders-value@1 deleted for good",
        "orders-value@2 deleted for good",
        "orders-value@3 deleted for good",
    ]


def test_the_other_recorded_topic_too_with_avro_left_out() -> None:
    assert told(apply(*recorded("z-_schemas_topic.json"))) == [
        "sv@1 registered",
        "sv@1 deleted softly",
        "sv@1 deleted for good",
        "sv@1 registered",
        "a/b c@1 registered",
        "idsub@1 registered",
    ]


def test_the_event_is_the_one_that_a_publisher_would_have_sent() -> None:
    [event] = apply(held("ns.user", 1, B, metadata={"properties": {"owner": "team-a"}}))
    schema = RegisteredSchema(101, "ns.user", 1, B, metadata={"owner": "team-a"})
    published = content_event(URL, schema)
    assert event.event_id == published.event_id
    assert (event.schema_id, event.metadata) == (published.schema_id, published.metadata)


def test_a_record_that_is_written_again_unchanged_tells_nothing() -> None:
    assert told(apply(held("u", 1, A), held("u", 1, A, md5="x", ruleSet=None))) == [
        "u@1 registered"
    ]


def test_both_a_missing_value_and_an_empty_one_delete_for_good() -> None:
    for gone in (None, b""):
        assert told(apply(held("u", 1, A), (key("u", 1), gone)))[1:] == ["u@1 deleted for good"]


def test_deleting_a_subject_concerns_its_live_versions_up_to_the_one_named() -> None:
    records = [
        held("u", 1, A),
        held("u", 2, B),
        held("u", 1, A, deleted=True),
        subject_deleted("u", 2),
        held("u", 3, A),
    ]
    # The subject has no live version any more, so the next one is its first.
    assert told(apply(*records))[2:] == [
        "u@1 deleted softly",
        "u@2 deleted softly",
        "u@3 registered",
    ]


def test_what_compaction_left_of_a_deletion_is_still_a_deletion() -> None:
    assert told(apply(purged("u", 1))) == ["u@1 deleted for good"]
    assert told(apply(held("u", 1, A, deleted=True))) == ["u@1 deleted softly"]


@pytest.mark.parametrize(
    ("url", "subjects"),
    [
        ("http://r", ["u", "u", ":.staging:u", ":.stagingx:u"]),
        ("http://r/contexts/.", ["u", "u", ":.staging:u", ":.stagingx:u"]),
        ("http://r/contexts/.staging", ["u"]),
        ("http://r/gateway/contexts/%3A.stagingx%3A", ["u"]),
    ],
)
def test_a_url_that_names_a_context_hears_of_it_alone_and_by_its_own_names(
    url: str, subjects: list[str]
) -> None:
    log = SchemasLog("r", url)
    records = [held(f"{context}u", 1, A) for context in ("", ":.:", ":.staging:", ":.stagingx:")]
    records[1] = held(":.:u", 2, B)
    events = [event for record in records for event in log.apply(*record)]
    assert [event.subject for event in events] == subjects


def test_registering_again_after_a_deletion_is_told() -> None:
    records = [held("u", 1, A), held("u", 1, A, deleted=True), purged("u", 1), held("u", 1, A)]
    events = apply(*records)
    assert told(events)[-1] == "u@1 registered"
    assert events[-1].event_id == events[0].event_id


@pytest.mark.parametrize(
    ("raw_key", "raw_value"),
    [
        (b'{"keytype":"NOOP","magic":0}', b""),
        (b'{"keytype":"CONFIG","subject":"u","magic":0}', b'{"compatibilityLevel":"NONE"}'),
        (b'{"keytype":"MODE","subject":"u"}', b'{"mode":"READONLY"}'),
        (b'{"keytype":"CLEAR_SUBJECT","subject":"u"}', b"{}"),
        (b'{"keytype":"DELETE_SUBJECT","subject":"u"}', None),
        (b'{"keytype":"SCHEMA","subject":null,"version":1}', b"{}"),
        (b'{"keytype":"SCHEMA","subject":"u","version":"x"}', b"{}"),
        (b'{"keytype":"SCHEMA","subject":"u","version":true}', b"{}"),
        (b'{"keytype":"SCHEMA","subject":"u","version":1}', b"not json"),
        (b'{"keytype":"SCHEMA","subject":"u","version":1}', b"[]"),
        (b'{"keytype":"SCHEMA","subject":"u","version":1}', b'{"schemaType":"JSON"}'),
        held("u", 1, A, schema="not json"),
        held("u", 1, A, schema='"text"'),
        held("u", 1, A, schema="NaN"),
        held("u", 1, A, id="x"),
        held("u", 1, A, id=10**40),  # no reader of the event would take it
        held("u", 10**30, A, id=1),
        held("u", 2**31, A, deleted=True),
        purged("u", 2**31),
        held("u", 1, A, schemaType="AVRO"),
        (b"not json", b"{}"),
        (b"", b"{}"),
        (None, b"{}"),
        (b"\xff", b"{}"),
    ],
)
def test_what_is_not_understood_is_left_alone(
    raw_key: bytes | None, raw_value: bytes | None
) -> None:
    assert SchemasLog(URL).apply(raw_key, raw_value) == []


# -- on a broker ----------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with kafka_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


class Topic:
    """A topic as a registry makes it, and what the registry writes."""

    def __init__(self, broker: Broker) -> None:
        self.name = f"_schemas-{uuid.uuid4().hex}"
        self.url = f"kafka://{broker.servers}/{self.name}"
        self._servers = broker.servers

    async def make(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        await admin.create_topics([NewTopic(self.name, 1, 1)])
        await admin.close()

    async def make_anew(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        await admin.delete_topics([self.name])
        await admin.close()
        await self.make()

    async def write(self, *records: Record) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._servers)
        await producer.start()
        for record_key, value in records:
            await producer.send_and_wait(self.name, value, key=record_key)
        await producer.stop()


@pytest.fixture
async def topic(broker: Broker) -> Topic:
    topic = Topic(broker)
    await topic.make()
    return topic


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect(URL) as registry:
        yield registry


@asynccontextmanager
async def following(
    topic: Topic, registry: Registry, state: ListenerState | None = None, **options: Any
) -> AsyncIterator[Recording]:
    recording = Recording(registry)
    source = ConfluentTopicSource(
        topic.url, registry, fetch_wait=0.02, check_interval=0.1, lost_log_after=0.2, **options
    )
    async with EventListener(registry, [recording], sources=[source], state=state):
        yield recording


async def settled(recording: Recording, *expected: str) -> None:
    await until(lambda: len(recording.seen) >= len(expected))
    await asyncio.sleep(0.1)
    assert told(recording.seen) == list(expected)


async def test_what_comes_after_the_start_is_told_in_the_light_of_what_was_there(
    topic: Topic, registry: Registry
) -> None:
    await topic.write(held("u", 1, A), held("v", 1, A))
    async with following(topic, registry) as recording:
        await topic.write(held("u", 2, B), subject_deleted("v", 1))
        await settled(recording, "u@2 updated", "v@1 deleted softly")
        assert recording.seen[0].previous_version == "1"


async def test_from_the_beginning_everything_is_told(topic: Topic, registry: Registry) -> None:
    await topic.write(held("u", 1, A))
    async with following(topic, registry, start="beginning") as recording:
        await topic.write(held("u", 2, B))
        await settled(recording, "u@1 registered", "u@2 updated")


async def test_with_a_state_what_happened_meanwhile_is_told_after_a_restart(
    topic: Topic, registry: Registry, tmp_path: Path
) -> None:
    state = ListenerState(tmp_path / "l.db")
    await topic.write(held("u", 1, A))
    async with following(topic, registry, state) as recording:
        await topic.write(held("u", 2, B))
        await settled(recording, "u@2 updated")
    await topic.write(held("u", 2, B, deleted=True))
    async with following(topic, registry, state) as recording:
        await settled(recording, "u@2 deleted softly")
    async with following(topic, registry, state) as recording:
        await asyncio.sleep(0.2)
        assert recording.seen == []
    state.close()


@pytest.mark.parametrize("leftover", [[], [("w", 1)]])
async def test_a_hard_deletion_that_compaction_took_out_of_the_log_is_told_once(
    topic: Topic, registry: Registry, tmp_path: Path, leftover: list[tuple[str, int]]
) -> None:
    """As after ``delete.retention.ms``: neither the version nor its deletion is in the log."""
    state = ListenerState(tmp_path / "l.db")
    avro = (key("avro", 1), b'{"id": 9, "subject": "avro", "version": 1, "schema": "{}"}')
    await topic.write(held("u", 1, A), held("v", 1, A), held("w", 1, A), avro)
    async with following(topic, registry, state) as recording:
        await topic.write(held("u", 2, B))
        await settled(recording, "u@2 updated")
    await topic.make_anew()
    noop = (b'{"keytype":"NOOP","magic":0}', None)
    await topic.write(noop, noop, held("v", 1, A), noop, held("u", 2, B))
    await topic.write(*((key(subject, version), None) for subject, version in leftover), noop)
    async with following(topic, registry, state) as recording:
        await until(lambda: len(recording.seen) >= 2)
        await topic.write(held("v", 2, B))
        await until(lambda: len(recording.seen) >= 3)
        assert sorted(told(recording.seen)) == [
            "u@1 deleted for good",
            "v@2 updated",
            "w@1 deleted for good",
        ]
    async with following(topic, registry, state) as recording:
        await asyncio.sleep(0.3)
        assert recording.seen == []
    state.close()


async def test_the_source_goes_on_when_the_broker_comes_back_without_its_log(
    tmp_path: Path, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with kafka_broker(tmp_path) as broker:
        topic = Topic(broker)
        await topic.make()
        async with following(topic, registry) as recording:
            await topic.write(held("u", 1, A), held("u", 2, B))
            await until(lambda: len(recording.seen) == 2)
            broker.kill()
            broker.start()
            # The broker makes a missing topic of four partitions for whoever asks for it.
            await until(lambda: "trying again" in caplog.text)
            await topic.make_anew()
            await topic.write(held("u", 3, A))
            await until(lambda: "u@3" in recording.versions)


async def test_a_topic_that_is_missing_or_shared_out_shows_in_the_health(
    broker: Broker, registry: Registry
) -> None:
    topic = Topic(broker)
    source = ConfluentTopicSource(topic.url, registry)
    many = ConfluentTopicSource(f"kafka://{broker.servers}/many", registry, name="many")
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.servers)
    await admin.start()
    await admin.create_topics([NewTopic("many", 4, 1)])
    await admin.close()
    async with EventListener(registry, sources=[source, many]) as listener:
        health = await listener.health()
    assert "no such topic" in str(health.inputs["confluent-topic"])
    assert "has 4" in str(health.inputs["many"])


def test_wrong_options_are_configuration_errors() -> None:
    with pytest.raises(ConfigurationError, match="beginning"):
        ConfluentTopicSource("kafka://h/_schemas", URL, start="now")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigurationError, match="topic"):
        ConfluentTopicSource("kafka://h", URL)
    source = ConfluentTopicSource("kafka://me:sesame@h/_schemas", "http://me:secret@r:8081/")
    assert "sesame" not in repr(source)
    assert "secret" not in repr(source)


@pytest.mark.parametrize(
    "poison",
    [
        (b"[" * 100_000, b"{}"),
        (b"\xff\xfe", b"{}"),
        (key("\ud800", 1), held("x", 1, A)[1]),
        held("\ud800", 1, A),
        held("s", 7, A, id=10**400),
        held("s", 7, {"description": "\ud800"}),
        held("s", 7, {"const": 10**400}),
        held("s", 7, A, schema=5),
        held("s", 7, A, schema="[" * 100_000),
        held("s", 7, A, schema='{"const": 1e400}'),
        held("s", 7, A, metadata={"properties": {"owner": ["\ud800"], "x": float("inf")}}),
        held("s", 7, A, schemaType=["JSON"]),
        held("\ud800", 1, A, deleted=True),
        (b'{"keytype":"SCHEMA","subject":"s","version":' + b"9" * 5000 + b"}", b"{}"),
        (b'{"keytype":"DELETE_SUBJECT","subject":"s"}', b'{"version": 1e400}'),
        (b'{"keytype":["SCHEMA"],"subject":"s"}', b'{"version": 1}'),
    ],
)
def test_no_record_of_the_topic_ends_reading(poison: Record) -> None:
    log = SchemasLog(URL)
    log.apply(*held("s", 1, A))
    for event in log.apply(*poison):
        assert event.subject == "s"
        to_json(event)
    [behind] = log.apply(*held("s", 8, B))
    assert behind.reference == "s@8"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.data())
def test_a_record_with_anything_in_its_place_is_told_or_left_out(data: st.DataObject) -> None:
    log = SchemasLog(URL)
    parts = [json.loads(part or b"null") for part in held("s", 1, A)]
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from(parts))
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(anything)
    for event in log.apply(*(json.dumps(part).encode() for part in parts)):
        assert event.event_id
    assert [e.subject for e in log.apply(*held("behind", 1, A))] == ["behind"]


@pytest.mark.parametrize("milliseconds", [-1, 0, 2**63 - 1, -(2**63)])
def test_a_record_with_an_impossible_time_keeps_its_event(milliseconds: int) -> None:
    event = SchemaEvent.registered(1, "", "s", 1)
    assert confluent_topic._at(event, milliseconds) == event
