"""A backend behind a circuit breaker, retries and a deadline, that raises our errors only."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.concurrency.weak import Keepers
from llm_integrations.core.errors import (
    LLMIntegrationsError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.http.throttle import Throttle, leave, throttle_of
from llm_integrations.core.registry.listing.near import NearNames
from llm_integrations.core.registry.pending import IO, Pending, closed_error, launch
from llm_integrations.core.registry.settings import Settings
from llm_integrations.core.resilience.breaker import Breaker
from llm_integrations.core.resilience.retry import retrying
from llm_integrations.core.tracing import span

__all__ = ["ResilientBackend"]

T = TypeVar("T")

_LIMITING = ("http", "llm+http", "apicurio+http", "glue")
_TO_LOOK_AROUND = 0.5  # seconds, for what is named beside an error
_TO_LOOK_AFTER = 0.5  # seconds between looking for clients that nobody holds any more
_TO_WAIT = 0.95  # of the deadline, for the server to take requests again

_clients: Final = Keepers()
_looked_after: Final[list[asyncio.Task[None]]] = []
"""One for each loop; a forked child keeps its parent's, which would complain when collected."""


async def _look_after_clients() -> None:
    while True:
        await asyncio.sleep(_TO_LOOK_AFTER)
        _clients.look()


def _look_after_them_here() -> None:
    loop = asyncio.get_running_loop()
    if not any(task.get_loop() is loop for task in _looked_after):
        _looked_after.append(loop.create_task(_look_after_clients()))


class ResilientBackend:
    """A backend that is asked on the background loop only, and opened anew in a forked child."""

    def __init__(self, settings: Settings, backend: RegistryBackend | None) -> None:
        self._settings = settings
        self._backend: RegistryBackend | None = backend or settings.open()
        self._inherited: list[RegistryBackend | None] = []
        self.url = self._backend.url
        self.breaker = Breaker(self.url, settings.breaker)
        limits = self.url.startswith(_LIMITING)
        self._throttle: Throttle | None = throttle_of(self.url, self) if limits else None
        self._near = NearNames() if limits else None  # local registries say it themselves
        self.lock = threading.Lock()
        self.closed = False
        self._tasks: set[asyncio.Task[Any]] = set()  # touched on the background loop only
        survive_fork(self)

    @property
    def backend(self) -> RegistryBackend:
        with self.lock:
            if self._backend is None:
                self._backend = self._settings.open()
            return self._backend

    async def call(
        self, ask: Callable[[RegistryBackend], Awaitable[T]], about: SchemaRef | None = None
    ) -> T:
        """The answer of the registry, asked again where another attempt can help.

        Args:
            about: what is asked for: where it is not there, the error says what is.

        Raises:
            CircuitOpen: when the last calls failed.
            LLMIntegrationsError: when the registry, or what was asked of it, is at fault.
        """
        try:
            return await self._call(ask)
        except SchemaNotFound as error:
            raise await self._explained(error, about) from None

    async def _call(self, ask: Callable[[RegistryBackend], Awaitable[T]]) -> T:
        retry = self._settings.retry
        # A little before the deadline, which would count against the registry.
        until = time.monotonic() + _TO_WAIT * retry.deadline
        traced = span("llm_integrations.registry", {"llm_integrations.registry": self.url})
        with traced, self._under_way(), self.breaker.attempt() as permit:
            try:
                answer = await retrying(lambda: self._in_turn(ask, until), retry)
            except RegistryUnavailable as error:
                if error.counts_as_failure:
                    permit.failed()
                raise
            except RegistryProtocolError:
                raise  # one such answer shows neither that the registry works nor that it fails
            except RegistryError:
                permit.succeeded()  # a refusal is an answer
                raise
            permit.succeeded()
            return answer

    async def _explained(self, error: SchemaNotFound, ref: SchemaRef | None) -> SchemaNotFound:
        """The error with what the registry has instead, if that is known within half a second."""
        if self._near is None or ref is None:
            return error
        near = self._near
        try:
            async with asyncio.timeout(_TO_LOOK_AROUND):
                rest = await self.once(lambda backend: near.of(ref, backend))
        except (LLMIntegrationsError, TimeoutError):
            return error
        asked = f" (asked: {self.url})"
        return SchemaNotFound(f"{str(error).removesuffix(asked).rstrip('.')}{rest}{asked}")

    async def once(self, ask: Callable[[RegistryBackend], Awaitable[T]]) -> T:
        """One attempt, whatever the breaker says and without telling it."""
        timeout = self._settings.timeout
        with self._under_way():
            try:
                async with asyncio.timeout(timeout):
                    return await self._attempt(ask)
            except TimeoutError:
                raise RegistryUnavailable(f"{self.url} did not answer in {timeout:g} s") from None

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """The calling task is cancelled when the client is closed."""
        task = asyncio.current_task()
        if self.closed or task is None:
            raise closed_error()
        _look_after_them_here()
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def _in_turn(self, ask: Callable[[RegistryBackend], Awaitable[T]], until: float) -> T:
        """One attempt, as soon as the server takes requests of this process."""
        if self._throttle is None:
            return await self._attempt(ask)
        return await self._throttle.run(lambda: self._attempt(ask), self._settings.retry, until)

    async def _attempt(self, ask: Callable[[RegistryBackend], Awaitable[T]]) -> T:
        try:
            return await ask(self.backend)
        except SchemaNotFound as error:
            if self.url in str(error):
                raise
            raise SchemaNotFound(f"{error} (asked: {self.url})") from None
        except LLMIntegrationsError:
            raise
        except Exception as error:
            # A bug of ours or of the backend: the caller must not take it for a mistake of its own.
            raise RegistryProtocolError(
                f"asking {self.url} failed with {type(error).__name__}"
            ) from error

    def close(self) -> Pending[None]:
        """Refuse further calls and close the connections. Further closing does nothing."""
        with self.lock:
            closing, self.closed = not self.closed, True
            backend = self._backend
        if self._throttle is not None:
            leave(self._throttle, self)
        done: Pending[None] = Pending()
        if closing and backend is not None:
            launch(self._shut(backend), done)
        else:
            done.resolve(None)
        return done

    async def _shut(self, backend: RegistryBackend) -> None:
        # A task that went on would open connections again, which nobody closes.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await backend.close()

    def belongs_to(self, client: object) -> None:
        """Once nobody holds the client, the connections are closed."""
        _clients.when_gone(client, self._abandon)

    def _abandon(self) -> None:
        if not self.closed and IO.is_running:  # else there is nothing to close them with
            self.close()

    def after_fork(self) -> None:
        """In a forked child: the connections belong to the parent. Never close them from here."""
        self.lock = threading.Lock()
        self._tasks = set()
        if not self._settings.is_memory:
            self._inherited.append(self._backend)
            self._backend = None
