"""What a registry holds, all of it: in pages where it has pages, else subject by subject."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar

from llm_integrations.core.errors import (
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.registry.backend import Latest, Page
from llm_integrations.core.registry.cache.requests import ask_for
from llm_integrations.core.registry.listing.left_out import NamedOnce, latest_of_listed
from llm_integrations.core.registry.resilient_backend import ResilientBackend

__all__ = ["Listing", "pages_of_latest"]

T = TypeVar("T")

_PARALLEL: Final = 16  # requests at once where one look needs many
_MOST_PAGES: Final = 10_000
_MOST_SUBJECTS: Final = 1_000_000  # repeated ones counted each time


class Listing:
    """Asks for everything that a registry holds. Each page is a call with its own deadline."""

    def __init__(self, registry: ResilientBackend) -> None:
        self._registry = registry
        self._named = NamedOnce()

    async def subjects(self, *, deleted: bool = False) -> list[str]:
        found = await self._subjects(deleted)
        if not found:
            await self._check_place()
        return found

    async def _check_place(self) -> None:
        """An empty list is an error where nothing could be listed: a folder's name is misspelt."""
        backend = self._registry.backend
        nowhere = await asyncio.to_thread(backend.nowhere)
        if nowhere:
            raise SchemaNotFound(f"{backend.url} holds no schema{nowhere}")

    async def _subjects(self, deleted: bool) -> list[str]:
        found: list[str] = []
        place: object = None
        for _ in range(_MOST_PAGES):
            page = await self._subjects_page(place, deleted)
            found += page.found
            place = page.place
            if place is None:
                return found
            if len(found) > _MOST_SUBJECTS:
                break
        raise _endless()

    async def _subjects_page(self, place: object, deleted: bool) -> Page[list[str]]:
        return await self._registry.call(lambda b: b.subjects_page(place, deleted=deleted))

    async def latest(self, subjects: Collection[str] | None) -> Latest:
        wanted = None if subjects is None else frozenset(subjects)
        # A few subjects of very many cost less when they are asked for alone.
        most = _MOST_PAGES if wanted is None else len(wanted) + 1
        found = await pages_of_latest(
            lambda place: self._registry.call(lambda backend: backend.latest_page(place)), most
        )
        if found is None:
            return await self._one_by_one(await self.subjects() if wanted is None else wanted)
        if wanted is None and not found and not found.left_out:
            await self._check_place()
        return found if wanted is None else found.only(wanted)

    async def _one_by_one(self, subjects: Collection[str]) -> Latest:
        """What is wrong with one subject keeps no other from being asked for."""
        latest = Latest()
        waiting = iter(subjects)

        async def work() -> None:
            for subject in waiting:
                try:
                    latest[subject] = await self._registry.call(ask_for(latest_of_listed(subject)))
                except SchemaNotFound:  # deleted meanwhile, or only drafts
                    continue
                except RegistryUnavailable:
                    raise
                except RegistryError as error:
                    if self._registry.closed:  # which is nothing about the subject
                        raise
                    latest.left_out[subject] = error

        workers = [asyncio.ensure_future(work()) for _ in range(_PARALLEL)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        self._named.follow(latest, latest.left_out)
        return latest


async def pages_of_latest(
    ask: Callable[[object], Awaitable[Page[Latest] | None]], most: int = _MOST_PAGES
) -> Latest | None:
    """All pages together; None where the registry has no such list, or too long a one."""
    latest, place, listed = Latest(), None, 0
    for _ in range(most):
        page = await ask(place)
        if page is None:
            return None
        if page.is_all:
            return page.found
        latest.add(page.found)
        place = page.place
        if place is None:
            return latest
        listed += len(page.found) + len(page.found.left_out)
        if listed > _MOST_SUBJECTS:
            raise _endless()
    if most < _MOST_PAGES:
        return None
    raise _endless()


def _endless() -> RegistryProtocolError:
    return RegistryProtocolError(
        f"the registry's list has no end after {_MOST_PAGES:,} pages or {_MOST_SUBJECTS:,} subjects"
    )
