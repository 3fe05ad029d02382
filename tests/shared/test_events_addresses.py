"""URLs and options of the brokers: read rightly, refused clearly, never telling a password."""

from __future__ import annotations

import time
from typing import Any

import pytest

from llm_integrations.core.config import BasicAuth, TLSOptions
from llm_integrations.core.errors import ConfigurationError, EventError
from llm_integrations.core.events import connect_bus
from llm_integrations.core.events.brokers.kafka import KafkaEventBus, KafkaOptions
from llm_integrations.core.events.brokers.kafka.clients import Clients
from llm_integrations.core.events.brokers.kafka.options import KafkaAddress
from llm_integrations.core.events.brokers.rabbitmq import RabbitMQEventBus
from llm_integrations.core.events.brokers.rabbitmq.options import RabbitMQAddress
from tests.support.events import event
from tests.support.kafka import free_port


def test_a_kafka_url_names_servers_and_a_topic() -> None:
    address = KafkaAddress.parse("kafka://h1:9092,h2,[::1]:9094/com.example%2Fschemas")
    assert address.servers == ("h1:9092", "h2:9092", "[::1]:9094")
    assert address.topic == "com.example/schemas"
    assert address.auth is None


def test_credentials_in_a_kafka_url_are_used_and_never_told() -> None:
    bus = connect_bus("kafka://me:p%40ss@h1:9092/t")
    assert isinstance(bus, KafkaEventBus)
    assert bus.options.auth == BasicAuth("me", "p@ss")
    assert bus.url == "kafka://h1:9092/t"
    assert "p@ss" not in repr(bus) + repr(bus.options)
    with pytest.raises(ConfigurationError, match="credentials"):
        connect_bus("kafka://me:pw@h1/t", auth=BasicAuth("me", "pw"))


@pytest.mark.parametrize(
    "url",
    ["kafka://", "kafka://h", "kafka:///t", "kafka://h/t?x=1", "kafka://a:b:c/t", "kafka://,/t"],
)
def test_a_kafka_url_that_says_too_little_or_too_much_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="kafka://host1"):
        connect_bus(url)


@pytest.mark.parametrize(
    "options",
    [
        {"start": "newest"},
        {"sasl_mechanism": "GSSAPI"},
        {"batch": 0},
        {"partitions": 0},
        {"publish_timeout": 0},
        {"fetch_wait": 0},
        {"lost_log_after": -1},
        {"tls": TLSOptions(ca="no/such/file.pem")},
        {"nonsense": 1},
    ],
)
def test_wrong_kafka_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        connect_bus("kafka://h/t", **options)


@pytest.mark.parametrize(
    ("auth", "tls", "protocol"),
    [
        (None, False, "PLAINTEXT"),
        (None, True, "SSL"),
        (BasicAuth("me", "pw"), False, "SASL_PLAINTEXT"),
        (BasicAuth("me", "pw"), True, "SASL_SSL"),
    ],
)
def test_sasl_and_tls_reach_the_client(auth: BasicAuth | None, tls: bool, protocol: str) -> None:
    clients = Clients.of("kafka://h/t", auth=auth, tls=tls, sasl_mechanism="SCRAM-SHA-512")
    common = clients._common
    assert common["security_protocol"] == protocol
    assert ("ssl_context" in common) is tls
    assert common.get("sasl_mechanism") == ("SCRAM-SHA-512" if auth else None)
    assert common.get("sasl_plain_password") == ("pw" if auth else None)


def test_a_rabbitmq_url_names_a_vhost_and_an_exchange() -> None:
    address = RabbitMQAddress.parse("amqps://me:p%40ss@mq.example/my%2Fvhost?exchange=ours")
    assert (address.host, address.port, address.secure) == ("mq.example", 5671, True)
    assert (address.vhost, address.exchange) == ("my/vhost", "ours")
    assert (address.username, address.password) == ("me", "p@ss")
    assert address.url == "amqps://mq.example:5671/my/vhost?exchange=ours"


def test_tls_files_that_cannot_be_read_are_refused_before_anything_is_connected() -> None:
    with pytest.raises(ConfigurationError, match="TLS"):
        connect_bus("amqps://h/", tls=TLSOptions(ca="no/such/file.pem"))


def test_what_a_rabbitmq_url_leaves_out_has_the_usual_meaning() -> None:
    for url in ("amqp://h", "amqp://h/"):
        address = RabbitMQAddress.parse(url)
        assert (address.port, address.vhost, address.exchange) == (5672, "/", "schemas")
        assert (address.username, address.password) == ("guest", "guest")


def test_credentials_in_a_rabbitmq_url_are_never_told() -> None:
    bus = connect_bus("amqp://me:sesame@h/")
    assert isinstance(bus, RabbitMQEventBus)
    assert "sesame" not in repr(bus) + bus.url + repr(RabbitMQAddress.parse("amqp://me:sesame@h/"))


@pytest.mark.parametrize(
    "url",
    [
        "amqp://",
        "amqp://h:port/",
        "amqp://h/?heartbeat=5",
        "amqp://h/?exchange=",
        f"amqp://h/?exchange={'x' * 201}",
    ],
)
def test_a_rabbitmq_url_that_says_too_little_or_too_much_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        connect_bus(url)


@pytest.mark.parametrize(
    "options",
    [
        {"queue_type": "stream"},
        {"batch": 0},
        {"batch": 65_536},
        {"publish_timeout": 0},
        {"heartbeat": -1},
        {"nonsense": 1},
    ],
)
def test_wrong_rabbitmq_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        connect_bus("amqp://h/", **options)


@pytest.mark.parametrize(
    "url",
    [
        "kafka://user:12/SECRET@h1:9092/topic",
        "kafka://user:pa/SECRET@h1:9092,h2:9092/topic",
        "kafka://user:SECRET/topic",
        "amqp://user:12/SECRET@host/vhost",
        "amqps://user:12/SECRET@host/vhost?exchange=x",
    ],
)
def test_a_slash_in_a_password_connects_nowhere_and_is_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connect_bus(url)
    assert "SECRET" not in str(refused.value)


async def test_publishing_to_a_rabbitmq_that_is_away_waits_and_then_fails_clearly() -> None:
    url = f"amqp://me:sesame@127.0.0.1:{free_port()}/"
    async with connect_bus(url, publish_timeout=0.3) as bus:
        started = time.monotonic()
        with pytest.raises(EventError, match=r"not confirmed within 0\.3 s") as failure:
            await bus.publish(event())
        assert 0.25 < time.monotonic() - started < 30
        with pytest.raises(EventError, match="connecting"):
            await bus.subscribe(print)
        health = await bus.health_check()
        assert not health
        assert "sesame" not in f"{failure.value}{health}"
    with pytest.raises(EventError, match="closed"):
        await bus.publish(event())
    with pytest.raises(EventError, match="closed"):
        await bus.subscribe(print)


def test_options_are_values_that_print_without_secrets() -> None:
    options = KafkaOptions(auth=BasicAuth("me", "sesame"))
    assert options == KafkaOptions(auth=BasicAuth("me", "sesame"))
    assert "sesame" not in repr(options)
