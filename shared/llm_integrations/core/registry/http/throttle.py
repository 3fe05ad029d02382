"""One pause per server when it says 429, for all requests of this process.

After the pause the requests come back as TCP does after a loss: one, two for each that is answered,
and beyond half of what met the limit one more in each round. Two hundred waiting callers do not
meet the limit again all at once, and seldom one so often that its attempts are used up.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.concurrency.weak import HeldWeakly
from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryError, RegistryUnavailable
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.pending import Pending
from llm_integrations.core.resilience.backoff import backoff, bound

__all__ = ["Throttle", "leave", "throttle_of"]

T = TypeVar("T")

_AT_ONCE: Final = 100  # requests to one server
_LONGEST: Final = 60.0  # seconds; then one request finds out whether the server still means it

_log = get_logger(__name__)


class Throttle:
    """How many requests may be under way to one server, and from when on. Usable from any loop."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.clients = HeldWeakly[object]()
        self._reset()
        survive_fork(self)

    def _reset(self) -> None:
        self.lock = threading.Lock()
        self._paused_until = 0.0
        self._refusals = 0
        self._allowed = float(_AT_ONCE)
        self._careful_from = float(_AT_ONCE)
        self._under_way = 0
        self._waiting: deque[Pending[None]] = deque()

    def after_fork(self) -> None:
        self._reset()

    async def run(
        self, attempt: Callable[[], Awaitable[T]], retry: RetryOptions, until: float
    ) -> T:
        """Make one attempt, when it is its turn.

        Args:
            retry: how long to pause where the server does not say it.
            until: when the caller gives up, by the monotonic clock.

        Raises:
            RegistryUnavailable: it would not be our turn until then.
        """
        try:
            async with asyncio.timeout(until - time.monotonic()):
                while (wait := self._enter(until)) is not None:
                    if isinstance(wait, Pending):
                        await self._await_turn(wait)
                    else:
                        await asyncio.sleep(wait + backoff(1, base=retry.base, cap=retry.base))
        except TimeoutError:
            raise RegistryUnavailable(
                f"{self._server}: the requests before this one take too long",
                retryable=False,
                counts_as_failure=False,
            ) from None
        try:
            answer = await attempt()
        except RegistryUnavailable as error:
            if not error.counts_as_failure:
                self._refused(error.retry_after, retry)
            raise
        except RegistryError:
            self._answered()  # a refusal is an answer
            raise
        else:
            self._answered()
            return answer
        finally:
            with self.lock:
                self._under_way -= 1
            self._wake()

    def _answered(self) -> None:
        """The server does what it is asked to: more may follow."""
        with self.lock:
            self._refusals = 0
            more = 1.0 if self._allowed < self._careful_from else 1.0 / self._allowed
            self._allowed = min(float(_AT_ONCE), self._allowed + more)

    def _refused(self, wait: float | None, retry: RetryOptions) -> None:
        """The server answered 429; ``wait``: the seconds that it names."""
        with self.lock:
            now = time.monotonic()
            is_first = now >= self._paused_until
            if is_first:
                self._refusals += 1
                wait = bound(self._refusals, retry.base, retry.cap) if wait is None else wait
            self._paused_until = max(self._paused_until, now + min(wait or 0.0, _LONGEST))
            if self._allowed > 1:  # else it is about the same requests as the refusal before
                self._careful_from = max(1.0, self._allowed / 2)
            self._allowed = 1.0
            is_news = is_first and self._refusals == 1
        if is_news:
            _log.warning("%s limits our requests (429): they pause", self._server)

    def _enter(self, until: float) -> float | Pending[None] | None:
        """None when it is our turn; else what to wait for: seconds, or that others are done."""
        with self.lock:
            left = self._paused_until - time.monotonic()
            if left > 0:
                if self._paused_until >= until:
                    raise RegistryUnavailable(
                        f"{self._server} answered 429: no request for another {left:.1f} s",
                        retry_after=left,
                        counts_as_failure=False,
                    )
                return left
            if self._under_way < int(self._allowed):
                self._under_way += 1
                return None
            coming: Pending[None] = Pending()
            self._waiting.append(coming)
            return coming

    async def _await_turn(self, coming: Pending[None]) -> None:
        try:
            await coming
        except BaseException:
            with self.lock:
                if coming in self._waiting:
                    self._waiting.remove(coming)
            self._wake()  # whoever is next, should it have been our turn
            raise

    def _wake(self) -> None:
        with self.lock:
            paused = self._paused_until > time.monotonic()
            free = len(self._waiting) if paused else int(self._allowed) - self._under_way
            woken = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        for coming in woken:
            coming.resolve(None)


class _Shared:
    """Throttles by server, as long as clients of it are open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._throttles: dict[str, weakref.ref[Throttle]] = {}
        survive_fork(self)

    def get(self, server: str, client: object) -> Throttle:
        made = Throttle(server)
        with self.lock:
            known = {name: one for name, one in self._throttles.items() if one() is not None}
            found = known[server]() if server in known else None
            if found is None or not any(found.clients):
                found = made
            found.clients.add(client)
            self._throttles = {**known, server: weakref.ref(found)}
            return found

    def leave(self, throttle: Throttle, client: object) -> None:
        with self.lock:
            throttle.clients.discard(client)

    def after_fork(self) -> None:
        self.lock = threading.Lock()


_shared: Final = _Shared()


def throttle_of(url: str, client: object) -> Throttle:
    """The one of a URL's server: the same for all clients that are open at once, by whatever API,
    context or group.

    What a server said to clients that are gone is nobody's business any more.
    """
    parts = urlsplit(url)
    return _shared.get(f"{parts.scheme.rpartition('+')[2]}://{parts.netloc}", client)


def leave(throttle: Throttle, client: object) -> None:
    """The client is closed."""
    _shared.leave(throttle, client)
