"""Address and options of RabbitMQ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import refuse_at_sign

__all__ = ["RabbitMQAddress", "RabbitMQOptions"]

_HINT = "write amqp://user:password@host/vhost?exchange=schemas"
_LONGEST_NAME = 200  # of 255 bytes; queues and the dead-letter exchange add to it


@dataclass(frozen=True, slots=True)
class RabbitMQOptions:
    """Options of the RabbitMQ bus. Times in seconds.

    Args:
        tls: files for ``amqps://``; None means the system's CAs.
        queue_type: of the groups' durable queues.
        single_active: one member of a group handles at a time and another takes over when it
            goes, so that a subject's events stay in order. False shares the work, without order.
        batch: events handled together, and acknowledged at once, at the most.
        connect_timeout: until connecting counts as failed.
        publish_timeout: how long publishing waits for a broker that is away.
        heartbeat: a peer silent for twice as long counts as gone; 0 for none.
    """

    tls: TLSOptions | None = None
    queue_type: Literal["classic", "quorum"] = "classic"
    single_active: bool = True
    batch: int = 500
    connect_timeout: float = 10.0
    publish_timeout: float = 10.0
    heartbeat: int = 15

    def __post_init__(self) -> None:
        if self.queue_type not in ("classic", "quorum"):
            raise ConfigurationError(f"queue_type must be classic or quorum: {self.queue_type!r}")
        if not 1 <= self.batch <= 65_535:
            raise ConfigurationError("batch must be between 1 and 65535")
        if min(self.connect_timeout, self.publish_timeout) <= 0 or self.heartbeat < 0:
            raise ConfigurationError("timeouts must be above 0 (seconds), heartbeat not below")


@dataclass(frozen=True, slots=True)
class RabbitMQAddress:
    """An ``amqp://`` URL in its parts."""

    host: str
    port: int
    vhost: str
    exchange: str
    secure: bool
    username: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> RabbitMQAddress:
        refuse_at_sign(url)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ConfigurationError(f"not a RabbitMQ URL: {_HINT}") from None
        query = parse_qs(parts.query, keep_blank_values=True)
        if (
            parts.scheme not in ("amqp", "amqps")
            or not parts.hostname
            or query.keys() - {"exchange"}
        ):
            raise ConfigurationError(
                f"a RabbitMQ URL has no query but exchange: {_HINT}; options are keywords"
            )
        exchange = query.get("exchange", ["schemas"])[-1]
        if not exchange or len(exchange.encode("utf-8", "replace")) > _LONGEST_NAME:
            raise ConfigurationError(f"exchange must be 1 to {_LONGEST_NAME} bytes: {_HINT}")
        secure = parts.scheme == "amqps"
        return cls(
            host=parts.hostname,
            port=port or (5671 if secure else 5672),
            vhost=unquote(parts.path[1:]) or "/",
            exchange=exchange,
            secure=secure,
            username=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
        )

    @property
    def url(self) -> str:
        """Without credentials."""
        scheme = "amqps" if self.secure else "amqp"
        vhost = "" if self.vhost == "/" else self.vhost
        return f"{scheme}://{self.host}:{self.port}/{vhost}?exchange={self.exchange}"

    @property
    def server(self) -> str:
        return f"{self.host}:{self.port}"
