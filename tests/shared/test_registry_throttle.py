"""After a 429 the requests of a process come back step by step."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.core.registry.http.throttle import Throttle

CALLERS = 200
RETRY = RetryOptions(base=0.001, cap=0.001)


@dataclass
class Server:
    """Refuses what comes before it was told to answer; counts what is under way at once.

    Attributes:
        seen: for each request that it answered, how many were answered before, and how many were
            under way.
    """

    throttle: Throttle
    refuses: bool = True

    def __post_init__(self) -> None:
        self.under_way = 0
        self.seen: list[tuple[int, int]] = []
        self.answered = 0

    async def attempt(self) -> None:
        if self.refuses:
            await asyncio.sleep(0.01)
            raise RegistryUnavailable("429", retry_after=0.1, counts_as_failure=False)
        self.under_way += 1
        self.seen.append((self.answered, self.under_way))
        await asyncio.sleep(0.002)
        self.under_way -= 1
        self.answered += 1

    async def ask(self) -> None:
        await self.throttle.run(self.attempt, RETRY, time.monotonic() + 30)


async def after_a_refusal_of_all() -> list[tuple[int, int]]:
    server = Server(Throttle("http://registry.example"))
    refused = await asyncio.gather(*(server.ask() for _ in range(100)), return_exceptions=True)
    assert {type(error) for error in refused} == {RegistryUnavailable}
    server.refuses = False
    await asyncio.gather(*(server.ask() for _ in range(CALLERS)))
    assert len(server.seen) == CALLERS
    return server.seen


async def test_each_answer_lets_one_more_be_under_way() -> None:
    seen = await after_a_refusal_of_all()
    assert [(done, busy) for done, busy in seen if busy > done + 1] == []


async def test_beyond_half_of_what_met_the_limit_it_is_one_more_in_each_round() -> None:
    seen = await after_a_refusal_of_all()
    assert 40 < max(busy for _, busy in seen) <= 54
