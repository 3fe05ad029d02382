"""Making aiokafka's clients, the only place with their arguments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from llm_integrations.core.errors import ConfigurationError, EventError
from llm_integrations.core.events.brokers.kafka.options import KafkaAddress, KafkaOptions
from llm_integrations.core.tls import tls_context

__all__ = ["Clients", "event_errors", "quietly"]

_STOP_SECONDS: Final = 3.0
# While a group rebalances, a member may finish the batch that it is handling.
_REBALANCE_SECONDS: Final = 60.0


@contextmanager
def event_errors(what: str) -> Iterator[None]:
    """Turn what aiokafka raises into an EventError that says what failed."""
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise EventError(f"{what}: {str(error) or type(error).__name__}") from error


async def quietly(client: Any) -> None:
    """Stop a client, bounded: one whose broker is gone may never answer."""
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await stop()
    except (KafkaError, OSError, TimeoutError):
        return


class Clients:
    """Makes consumers, producers and admin clients for one cluster. They are not started yet."""

    def __init__(self, address: KafkaAddress, options: KafkaOptions) -> None:
        self.address = address
        self.servers = ",".join(address.servers)
        self.options = options
        self._common = _common(self.servers, options)

    @classmethod
    def of(cls, url: str, **options: Any) -> Clients:
        """For a ``kafka://`` URL and fields of KafkaOptions."""
        address = KafkaAddress.parse(url)
        chosen = KafkaOptions(**options)
        if address.auth is not None:
            if chosen.auth is not None:
                raise ConfigurationError("credentials stand in the Kafka URL and in auth=")
            chosen = replace(chosen, auth=address.auth)
        return cls(address, chosen)

    def producer(self) -> Any:
        timeout = int(self.options.publish_timeout * 1000)
        return AIOKafkaProducer(acks="all", request_timeout_ms=timeout, **self._common)

    def consumer(self, *topics: str, group: str | None = None) -> Any:
        options = self.options
        session = int(options.session_timeout * 1000)
        return AIOKafkaConsumer(
            *topics,
            group_id=group,
            enable_auto_commit=False,
            # Without a group the position is ours to keep: a reset would hide a gap.
            auto_offset_reset=options.start if group is not None else "none",
            session_timeout_ms=session,
            heartbeat_interval_ms=max(1, session // 3),
            max_poll_interval_ms=int(options.handling_timeout * 1000),
            rebalance_timeout_ms=int(min(_REBALANCE_SECONDS, options.handling_timeout) * 1000),
            fetch_max_wait_ms=max(1, int(options.fetch_wait * 1000)),
            **self._common,
        )

    async def topics(self) -> set[str]:
        """The topics that exist. EventError when no broker answers in time."""
        async with self._admin(f"Kafka at {self.servers}") as admin:
            return set(await admin.list_topics())

    async def ensure_topic(self, topic: str) -> None:
        """Create a missing topic where the options say so."""
        if self.options.partitions is None or topic in await self.topics():
            return
        new = NewTopic(topic, self.options.partitions, self.options.replication)
        async with self._admin(f"creating topic {topic}") as admin:
            with suppress(TopicAlreadyExistsError):
                await admin.create_topics([new])

    @asynccontextmanager
    async def _admin(self, what: str) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(**self._common)
        with event_errors(what):
            try:
                async with asyncio.timeout(self.options.connect_timeout):
                    await admin.start()
                    yield admin
            finally:
                await quietly(admin)


def _common(servers: str, options: KafkaOptions) -> dict[str, Any]:
    """Arguments of every kind of client. ConfigurationError for TLS files that cannot be read."""
    common: dict[str, Any] = {"bootstrap_servers": servers}
    if options.auth is not None:
        common["sasl_mechanism"] = options.sasl_mechanism
        common["sasl_plain_username"] = options.auth.username
        common["sasl_plain_password"] = options.auth.password
    if options.tls:
        files = None if isinstance(options.tls, bool) else options.tls
        common["ssl_context"] = tls_context(files, "Kafka")
    sasl = "SASL_" if options.auth is not None else ""
    common["security_protocol"] = sasl + ("SSL" if options.tls else "PLAINTEXT")
    return common
