"""What ``connect`` was told, as one value: enough to connect again after pickling."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from llm_integrations.core.config import (
    Auth,
    BreakerOptions,
    CacheOptions,
    RetryOptions,
    TLSOptions,
    ValidationOptions,
    check_choice,
    check_kind,
    check_name,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import APICURIO_API, Address
from llm_integrations.core.registry.environment import (
    environment_allows_insecure,
    environment_auth,
    environment_proxy,
    environment_tls,
)
from llm_integrations.core.registry.http.credentials import check_proxy, refuse_clear_text

if TYPE_CHECKING:
    from llm_integrations.core.evolution.model.limits import Limits
    from llm_integrations.core.registry.backend import RegistryBackend
    from llm_integrations.core.registry.http.backend import HttpBackend

__all__ = ["Publisher", "Settings"]


_KINDS: Final[dict[str, tuple[Any, str]]] = {
    "cache": (CacheOptions, "CacheOptions(…), as CacheOptions(ttl=60)"),
    "retry": (RetryOptions, "RetryOptions(…), as RetryOptions(attempts=3)"),
    "breaker": (BreakerOptions, "BreakerOptions(…), as BreakerOptions(failures=5)"),
    "validation": (ValidationOptions, "ValidationOptions(…), as ValidationOptions(nulls='absent')"),
    "timeout": (int | float, "a number of seconds, as 5.0"),
    "auth": (get_args(Auth), f"one of {', '.join(kind.__name__ for kind in get_args(Auth))}"),
    "tls": (TLSOptions, "TLSOptions(…), as TLSOptions(ca='ca.pem')"),
    "allow_insecure": (bool, "True or False"),
}
"""What each option of ``connect`` is, and how it is written."""
_NEEDED: Final = ("timeout", "allow_insecure")
"""For which None does not stand for what is usual."""


class Publisher(Protocol):
    """What ``connect(bus=…)`` takes: any EventBus."""

    async def publish(self, event: Any) -> None: ...


@dataclass(frozen=True)
class Settings:
    """Everything that makes a client.

    Attributes:
        addresses: where the registry is; several base URLs are tried in order.
        auth: credentials given by argument. Those of the environment are looked up where the
            client is opened, so they never travel in a pickle.
        timeout: seconds for one attempt; ``retry.deadline`` bounds all of them.
        bus: where registrations are published.
        headers: names and values of headers that each request has.
        proxy: the URL of a proxy that requests go through; it may hold credentials.
        registry_id: names the registry in events; None leaves that to the server, or its URL.
        policy: by which folders and memory refuse what breaks a subject's level.
        limits: what one comparison of two versions may cost; None is the default.
    """

    addresses: tuple[Address, ...]
    cache: CacheOptions = field(default_factory=CacheOptions)
    retry: RetryOptions = field(default_factory=RetryOptions)
    breaker: BreakerOptions = field(default_factory=BreakerOptions)
    timeout: float = 5.0
    validation: ValidationOptions = field(default_factory=ValidationOptions)
    auth: Auth | None = None
    tls: TLSOptions | None = None
    allow_insecure: bool = False
    bus: Publisher | None = field(default=None, repr=False)
    registry_id: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    proxy: str | None = field(default=None, repr=False)
    policy: Literal["strict", "lenient"] = "lenient"
    limits: Limits | None = None

    def __post_init__(self) -> None:
        for name, (kinds, example) in _KINDS.items():
            value = getattr(self, name)
            if value is not None or name in _NEEDED:
                check_kind(name, value, kinds, example)
        if isinstance(self.timeout, bool) or not self.timeout > 0:
            raise ConfigurationError("timeout must be a number of seconds, more than 0")
        if self.bus is not None and not callable(getattr(self.bus, "publish", None)):
            raise ConfigurationError(f"bus must be an EventBus, not {type(self.bus).__name__}")
        if self.limits is not None and type(self.limits).__name__ != "Limits":
            # By its name: importing it takes longer than connecting.
            raise ConfigurationError(f"limits must be Limits(…), not {type(self.limits).__name__}")
        if self.registry_id is not None:
            check_name("registry_id", self.registry_id)
        check_choice("policy", self.policy, Literal["strict", "lenient"])

    @property
    def is_memory(self) -> bool:
        return self.addresses[0].protocol == "memory"

    def for_pickling(self) -> Settings:
        """Without the bus, whose connections belong to this process."""
        return replace(self, bus=None)

    def open(self) -> RegistryBackend:
        """A new backend, not connected yet.

        Raises:
            ConfigurationError: when credentials would cross a network unencrypted.
        """
        protocol = self.addresses[0].protocol
        locations = [address.location for address in self.addresses]
        if protocol == "memory":
            from llm_integrations.core.registry.local.memory import MemoryBackend

            return MemoryBackend()
        if protocol == "file":
            from llm_integrations.core.registry.local.file.backend import FileBackend

            return FileBackend(locations[0])
        if protocol == "remote":
            return self._remote_backend(locations[0])
        if protocol == "glue":
            return self._glue_backend(*locations[0].split("/"))
        if protocol == "confluent" and any(APICURIO_API in location for location in locations):
            raise ConfigurationError(
                "Apicurio Registry's own API is written apicurio+https://host/group (or "
                "apicurio+http://); by /apis/ccompat/v7 it speaks Confluent's"
            )
        return self._http_backend(protocol)(
            locations,
            auth=self._auth(),
            tls=environment_tls(self.addresses, self.tls),
            headers=self.headers,
            proxy=self._proxy,
            timeout=self.timeout,
        )

    def _remote_backend(self, url: str) -> RegistryBackend:
        from llm_integrations.core.registry.local.remote.backend import RemoteBackend

        if self.auth is not None or self.headers or self.tls is not None or self.proxy is not None:
            raise ConfigurationError(
                f"{url} takes no auth=, headers=, tls= or proxy=: the storage is reached as its "
                "own tools reach it (environment, profile, role)"
            )
        return RemoteBackend(url, timeout=self.timeout)

    def _glue_backend(self, region: str, name: str) -> RegistryBackend:
        from llm_integrations.core.registry.glue.backend import GlueBackend

        if self.auth is not None or self.headers:
            raise ConfigurationError(
                "AWS Glue takes neither auth= nor headers=: credentials are found as AWS's own "
                "tools find them (environment, profile, role)"
            )
        tls = environment_tls(self.addresses, self.tls)
        return GlueBackend(region, name, tls=tls, proxy=self._proxy, timeout=self.timeout)

    def _http_backend(self, protocol: str) -> type[HttpBackend]:
        if protocol == "confluent":
            from llm_integrations.core.registry.confluent.backend import ConfluentBackend

            return ConfluentBackend
        if protocol == "apicurio":
            from llm_integrations.core.registry.apicurio.backend import ApicurioBackend

            return ApicurioBackend
        from llm_integrations.core.registry.llm_registry.backend import LLMRegistryBackend

        return LLMRegistryBackend

    def _auth(self) -> Auth | None:
        auth = self.auth or self._userinfo() or environment_auth(self.addresses)
        if auth is not None and any(name.lower() == "authorization" for name, _ in self.headers):
            raise ConfigurationError("headers= holds credentials besides those that were given")
        refuse_clear_text(
            [address.location for address in self.addresses],
            auth,
            headers=self.headers,
            proxy=self._proxy,
            allow_insecure=self.allow_insecure or environment_allows_insecure(self.addresses),
        )
        return auth

    @property
    def _proxy(self) -> str | None:
        return self.proxy or check_proxy(environment_proxy(self.addresses))

    def _userinfo(self) -> Auth | None:
        found = {address.auth for address in self.addresses if address.auth is not None}
        if len(found) > 1:
            raise ConfigurationError("the URLs hold different credentials: give auth= once")
        return found.pop() if found else None
