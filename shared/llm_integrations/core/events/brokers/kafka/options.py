"""Address and options of Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from llm_integrations.core.config import BasicAuth, TLSOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import refuse_at_sign

__all__ = ["KafkaAddress", "KafkaOptions"]

_HINT = "write kafka://host1:9092,host2:9092/topic"


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Options of the Kafka bus and of the ``_schemas`` source. Times in seconds.

    Args:
        auth: user name and password for SASL.
        sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
        tls: True for the system's CAs, TLSOptions for files of your own, False for none.
        start: where a group that has committed nothing begins: with what the topic still holds,
            or with what comes next.
        dead_letter_topic: None means the topic's name with ``.dead-letter``.
        partitions: create a missing topic with so many; None leaves that to the broker.
        replication: copies of each partition of a topic that is created.
        batch: events handled together, and acknowledged by one commit, at the most.
        connect_timeout: until the first connection counts as failed.
        publish_timeout: until publishing counts as failed.
        commit_timeout: until a commit counts as failed (a broker that lost its log never answers).
        session_timeout: until a silent member's work goes to the rest of its group.
        handling_timeout: a member busy for longer with one batch counts as gone.
        fetch_wait: how long the broker may hold a request for events that are not there yet.
        check_interval: when no event comes for so long, ask whether the broker still has the log.
        lost_log_after: a log that seems to end before our position, and does not give the last
            record that we read for so long, counts as another one and is read from its beginning.
    """

    auth: BasicAuth | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    tls: TLSOptions | bool = False
    start: Literal["earliest", "latest"] = "earliest"
    dead_letter_topic: str | None = None
    partitions: int | None = None
    replication: int = 1
    batch: int = 500
    connect_timeout: float = 15.0
    publish_timeout: float = 10.0
    commit_timeout: float = 5.0
    session_timeout: float = 10.0
    handling_timeout: float = 1800.0
    fetch_wait: float = 0.5
    check_interval: float = 1.0
    lost_log_after: float = 5.0

    def __post_init__(self) -> None:
        if self.start not in ("earliest", "latest"):
            raise ConfigurationError(f"start must be 'earliest' or 'latest', not {self.start!r}")
        if self.sasl_mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            raise ConfigurationError(f"unknown SASL mechanism {self.sasl_mechanism!r}")
        partitions = 1 if self.partitions is None else self.partitions
        if min(self.batch, self.replication, partitions) < 1:
            raise ConfigurationError("batch, partitions and replication must be at least 1")
        for name in ("connect", "publish", "commit", "session", "handling"):
            if getattr(self, f"{name}_timeout") <= 0:
                raise ConfigurationError(f"{name}_timeout must be above 0 (seconds)")
        if min(self.fetch_wait, self.check_interval) <= 0 or self.lost_log_after < 0:
            raise ConfigurationError("fetch_wait, check_interval and lost_log_after are seconds")


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """A ``kafka://`` URL in its parts: ``host:port`` texts, a topic, perhaps credentials."""

    servers: tuple[str, ...]
    topic: str
    auth: BasicAuth | None = None

    @classmethod
    def parse(cls, url: str) -> KafkaAddress:
        refuse_at_sign(url)
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ConfigurationError(f"not a Kafka URL: {_HINT}") from None
        if parts.scheme != "kafka" or parts.query or parts.fragment:
            raise ConfigurationError(f"not a Kafka URL: {_HINT}; options are keywords")
        credentials, _, hosts = parts.netloc.rpartition("@")
        topic = unquote(parts.path).strip("/")
        if not hosts or not topic:
            raise ConfigurationError(f"a Kafka URL needs a host and a topic: {_HINT}")
        user, _, password = credentials.partition(":")
        auth = BasicAuth(unquote(user), unquote(password)) if credentials else None
        return cls(tuple(_with_port(host) for host in hosts.split(",")), topic, auth)

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"kafka://{','.join(self.servers)}/{self.topic}"


def _with_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    if port.isdecimal() and name:
        return host
    if not host or (":" in host and not host.endswith("]")):
        # Not quoted: it may be the end of a password.
        raise ConfigurationError(f"a Kafka URL has a server that is not host:port: {_HINT}")
    return f"{host}:9092"
