"""``connect``: from a URL to a client."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.config import (
    Auth,
    BreakerOptions,
    CacheOptions,
    RetryOptions,
    TLSOptions,
    ValidationOptions,
    check_kind,
)
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry.address import absolute, read_addresses
from llm_integrations.core.registry.client import Registry
from llm_integrations.core.registry.environment import environment_url, unknown_variables
from llm_integrations.core.registry.http.credentials import check_headers, check_proxy
from llm_integrations.core.registry.settings import Publisher, Settings

if TYPE_CHECKING:
    from llm_integrations.core.evolution.model.limits import Limits

__all__ = ["connect", "resolve_registry"]

_NO_URL: Final = (
    "no registry: give one, or set LLM_INTEGRATIONS_REGISTRY_URL, "
    "for example to file://schemas or https://registry.example.com"
)


def connect(
    url: str | os.PathLike[str] | Sequence[str] | None = None,
    *,
    cache: CacheOptions | None = None,
    retry: RetryOptions | None = None,
    breaker: BreakerOptions | None = None,
    timeout: float = 5.0,
    validation: ValidationOptions | None = None,
    auth: Auth | None = None,
    tls: TLSOptions | None = None,
    headers: Mapping[str, str] | None = None,
    proxy: str | None = None,
    allow_insecure: bool = False,
    bus: Publisher | None = None,
    registry_id: str | None = None,
    policy: Literal["strict", "lenient"] = "lenient",
    limits: Limits | None = None,
) -> Registry:
    """A client of the registry at ``url``. No request is made yet.

    Args:
        url: ``memory://``, ``file://schemas`` (relative), ``file:///srv/schemas``, a plain path,
            ``http(s)://…`` (Confluent API), ``llm+http(s)://…`` (LLM Schema Registry API),
            ``apicurio+http(s)://host/group``, ``glue://region/registry``, ``s3://bucket/folder``
            (only read), or a list of base URLs that are tried in order. None takes
            LLM_INTEGRATIONS_REGISTRY_URL.
        timeout: seconds for one attempt; ``retry.deadline`` bounds a call with all its attempts.
        auth: credentials; else those in the URL, else those of the environment, if the URL is of
            the origin that LLM_INTEGRATIONS_REGISTRY_URL names.
        tls: a CA and a client certificate; else those of the environment, as with ``auth``.
        headers: sent with each request, as a gateway's key.
        proxy: ``http(s)://[user:password@]host:port`` that requests go through; else the one of
            LLM_INTEGRATIONS_REGISTRY_PROXY. HTTP_PROXY and its like are not used.
        allow_insecure: permits credentials over plain http to other hosts than this one.
        bus: an EventBus on which registrations, deprecations and deletions are published.
        registry_id: names the registry in events, where one registry has several URLs and does not
            say itself who it is; the same everywhere.
        policy: by which a folder or memory refuses to register what breaks a subject's level.
        limits: what one comparison of two versions may cost.

    Raises:
        ConfigurationError: for a URL or option that makes no sense.
    """
    settings = Settings(
        addresses=read_addresses(_chosen(url)),
        cache=CacheOptions() if cache is None else cache,
        retry=RetryOptions() if retry is None else retry,
        breaker=BreakerOptions() if breaker is None else breaker,
        timeout=timeout,
        validation=ValidationOptions() if validation is None else validation,
        auth=auth,
        tls=tls,
        headers=check_headers(headers),
        proxy=check_proxy(proxy),
        allow_insecure=allow_insecure,
        bus=bus,
        registry_id=registry_id,
        policy=policy,
        limits=limits,
    )
    return Registry(settings)


def _chosen(
    url: str | os.PathLike[str] | Sequence[str] | None,
) -> str | os.PathLike[str] | Sequence[str]:
    chosen = environment_url() if url is None else url
    if chosen is None:
        raise ConfigurationError("; ".join([_NO_URL, *unknown_variables()]))
    return chosen


class _Shared:
    """Clients by their settings, as long as somebody uses them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._clients: dict[Settings, weakref.ref[Registry]] = {}
        survive_fork(self)

    def get(self, settings: Settings) -> Registry:
        return self._known(settings) or self._add(settings, Registry(settings))

    def _known(self, settings: Settings) -> Registry | None:
        with self.lock:
            return self._open(settings)

    def _open(self, settings: Settings) -> Registry | None:
        found = self._clients.get(settings)
        known = None if found is None else found()
        return None if known is None or known.closed else known

    def _add(self, settings: Settings, made: Registry) -> Registry:
        with self.lock:
            known = self._open(settings) or made
            held = {its: one for its, one in self._clients.items() if one() is not None}
            self._clients = {**held, settings: weakref.ref(known)}
            return known

    def after_fork(self) -> None:
        self.lock = threading.Lock()


_shared: Final = _Shared()


def resolve_registry(registry: Registry | str | os.PathLike[str] | None = None) -> Registry:
    """What adapters do with their ``registry`` argument: a client, a URL, or the environment's.

    Equal URLs share one client as long as somebody uses it.
    """
    if isinstance(registry, Registry):
        return registry
    if registry is not None:
        kinds, known = str | os.PathLike, "a Registry, a URL, a path or None"
        check_kind("registry", registry, kinds, known)
    addresses = tuple(map(absolute, read_addresses(_chosen(registry))))
    return _shared.get(Settings(addresses=addresses))
