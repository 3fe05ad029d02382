"""Reacting to changes of schemas: finds the documents they affect and reindexes just those."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline

from llm_integrations.core.catalogue import Catalogue, Usage
from llm_integrations.core.config import check_name
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.impact import CatalogueIntegration, in_force_after, is_about
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.notify import Notice, Notifier, notifier_for
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.affected import AffectedDocuments, Impact, ReindexResult
from llm_integrations.llamaindex.index import Index, Persist
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.audit import IndexAudit, audit, repair
from llm_integrations.llamaindex.upkeep.holdings.documents import Loader
from llm_integrations.llamaindex.upkeep.holdings.forgetting import forget
from llm_integrations.llamaindex.upkeep.migration import Migrate
from llm_integrations.llamaindex.upkeep.pace import Pace
from llm_integrations.llamaindex.upkeep.plan import ReindexPlan, plan
from llm_integrations.llamaindex.upkeep.swapping import beside, settle

__all__ = ["OnAffected", "RAGPipelineIntegration"]

OnAffected: TypeAlias = Callable[[AffectedDocuments], Awaitable[None] | None]


class RAGPipelineIntegration(CatalogueIntegration):
    """Keeps indexes in step with their schemas.

    On a change, documents that another version stamped are judged again, and the rest is not
    touched. Those that fit are stamped anew in place, where the store can do that and their text is
    the one that was embedded, and else go through their pipeline again; those that do not are set
    aside; documents that were set aside come back if the new version takes them. A deprecation only
    flags: owners are told, and the catalogue says so.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        catalogue: where indexes are kept; a path is an SQLite file, None is this process's memory.
        notifier: told what was done, or what is to be done where an index lives in another process.
        on_affected: called with the affected documents in place of reindexing them; hand them to
            ``reindex`` when the time has come.
        progress: whether reindexing shows a progress bar.
    """

    kind = "index"

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        catalogue: Catalogue | str | Path | None = None,
        notifier: Notifier | Callable[[Notice], Awaitable[None] | None] | None = None,
        on_affected: OnAffected | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(registry, catalogue=catalogue)
        self.indexes: dict[str, Index] = {}
        self._notifier = notifier_for(notifier)
        self._on_affected = on_affected
        self._progress = progress

    @property
    def name(self) -> str:
        return "llamaindex"

    def add_index(
        self,
        name: str,
        pipeline: IngestionPipeline | VectorStoreIndex,
        *,
        owner: str | None = None,
        documents: Loader | None = None,
        migrate: Migrate | None = None,
        persist: Persist | None = None,
        persist_every: float = 30.0,
        batch_size: int = 32,
        keep_compatible: bool = False,
    ) -> Index:
        """Keep an index in step from now on; call ``catch_up`` for changes before that.

        Args:
            name: unique, and the same after a restart.
            pipeline: with a docstore, a vector store and a SchemaTransform; or a VectorStoreIndex
                with a SchemaTransform first in its ``transformations``. That one keeps no texts of
                whole documents: what still fits, by the metadata of its nodes, is stamped in place,
                and the rest needs ``documents``.
            owner: who is told; None takes the schema's owner.
            documents: loads documents anew by id; None takes the texts that the docstore keeps.
            migrate: brings metadata under a new version before it judges: a function from metadata
                to metadata, or a draft of ``migration_guide``, which is run. Where only metadata
                changes, it is written in place. What is up to date already must come out as it is.
            persist: for a docstore or a vector store that lives in memory: the folder where
                ``persist_pipeline`` saves them, or a function to call.
            persist_every: seconds between two saves while documents are reindexed; the last save
                is at the end.
            batch_size: documents that go through the pipeline at once.
            keep_compatible: leave stamps of older versions as they are where the version in force
                takes, as is proved, everything that they took: nothing is written, and nodes go on
                naming the version that they were judged by. ``migrate`` does not see them.

        Raises:
            ConfigurationError: the pipeline lacks something, a name is empty or a batch is.
            Unsupported: the vector store cannot list nodes by their metadata, as FAISS cannot.
        """
        if owner is not None:
            check_name("owner", owner)
        index = Index(
            name,
            pipeline,
            documents=documents,
            migrate=migrate,
            persist=persist,
            persist_every=persist_every,
            batch_size=batch_size,
            keep_compatible=keep_compatible,
            progress=self._progress,
        )
        self.indexes[name] = index
        for transform in index.transforms:
            ref = SchemaRef.parse(transform.schema_ref)
            self.catalogue.add(Usage("index", name, ref, "document", owner))
        return index

    async def affected_documents(self, event: SchemaEvent) -> list[AffectedDocuments]:
        """The documents that a change affects, in each index of this process."""
        owners = {usage.name: usage.owner for usage in await self.owned_usages(event)}
        found = [
            await _affected(index, event, await _in_force(transform, event), owners.get(index.name))
            for index, transform in self._here(event.subject)
        ]
        return [affected for affected in found if affected]

    async def reindex(self, affected: AffectedDocuments) -> ReindexResult:
        """Reindex now what ``on_affected`` was told of, by the version in force now."""
        index = self.indexes.get(affected.index)
        transform = index.transform_for(affected.subject) if index else None
        if index is None or transform is None:
            raise ConfigurationError(f"no index {affected.index!r} with {affected.subject!r} here")
        return await self._bring_up_to_date(index, transform, await _in_force(transform))

    async def catch_up(
        self,
        *,
        limit: int | None = None,
        documents_per_second: float | None = None,
        tokens_per_second: float | None = None,
        swap: bool = False,
    ) -> list[ReindexResult]:
        """Bring every index of this process up to date: after a start, a crash, or a pause.

        Documents that the docstore knows and the vector store lacks come back too, so give each
        index a docstore of its own.

        Args:
            limit: how many documents to take on, at the most; the next call goes on from there.
            documents_per_second: how many documents to take on in a second, at the most.
            tokens_per_second: how many tokens to embed in a second, at the most.
            swap: work on a copy of the collection, whose alias then moves to the copy in one step,
                so that no query finds an index half done; ``rollback`` moves it back. For Qdrant,
                where the store's ``collection_name`` is an alias.

        Raises:
            ConfigurationError: a bound is below 1 or 0, or a collection to swap has no alias.
            Unsupported: the vector store has no aliases to swap.
        """
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit must be at least 1, not {limit}")
        pace = Pace(documents_per_second, tokens_per_second)
        results: list[ReindexResult] = []
        for index, transform in self._all():
            left = None if limit is None else limit - sum(result.taken for result in results)
            if left is None or left > 0:
                in_force = await _in_force(transform)
                results.append(
                    await self._bring_up_to_date(
                        index,
                        transform,
                        in_force,
                        compare=True,
                        limit=left,
                        pace=pace,
                        swap=swap,
                    )
                )
        return results

    async def rollback(self, name: str) -> None:
        """Give an index back the collection that it had before ``catch_up(swap=True)``.

        The documents in it are those of then: roll the schema back first, or the next event or
        ``catch_up`` brings them up to date again. A second call takes the first back.

        Raises:
            ConfigurationError: there is no such index, or nothing to go back to.
            Unsupported: its vector store has no aliases to swap.
        """
        index = self.indexes.get(name)
        if index is None:
            raise ConfigurationError(f"no index {name!r} here")
        await asyncio.to_thread(index.rollback)

    async def plan(self) -> list[ReindexPlan]:
        """What ``catch_up`` would do and cost, for each index and schema; nothing is written."""
        return [
            await asyncio.to_thread(plan, index, transform, in_force)
            for index, transform in self._all()
            if (in_force := await _in_force(transform)) is not None
        ]

    async def audit(self, *, repair: bool = False) -> list[IndexAudit]:
        """Hold docstore, vector store and quarantine of each index against each other.

        Args:
            repair: bring back what is missing, embed anew what is doubled, and reindex what is
                stale; the answer says how it was before.
        """
        return [
            await asyncio.to_thread(_audit, index, transform, in_force, repair)
            for index, transform in self._all()
            if (in_force := await _in_force(transform)) is not None
        ]

    async def release(self, ids: Iterable[str]) -> list[ReindexResult]:
        """Release documents from the quarantine though the docstore does not know them any more.

        Those that the version in force refuses stay. Everything that ``catch_up`` does, too.
        """
        asked = frozenset(ids)
        return [
            await self._bring_up_to_date(index, transform, await _in_force(transform), asked=asked)
            for index, transform in self._all()
        ]

    async def forget(self, ids: Iterable[str]) -> int:
        """Erase documents for good from every index: vectors, docstore and quarantine.

        The pipeline's cache keeps texts by their hashes and cannot be asked for a document; clear
        it with ``pipeline.cache.clear()``.

        Returns:
            How many of the documents there were.
        """
        names = frozenset(ids)
        found: set[str] = set()
        for index in tuple(self.indexes.values()):
            found |= await asyncio.to_thread(forget, index, names)
        return len(found)

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        if event.event_type is SchemaEventType.COMPATIBILITY_VIOLATED:
            return
        await self.registry.follow([event])
        usages = await self.owned_usages(event)
        owners = {usage.name: usage.owner for usage in usages}
        for index, transform in self._here(event.subject):
            await transform.client.follow([event])
            await self._handle(index, transform, event, owners.get(index.name))
        for usage in usages:
            concerned = usage.follows_latest or is_about(event, usage.schema)
            if usage.name not in self.indexes and concerned:
                await self._tell(usage.owner, event, f"{usage.name} uses {usage.schema}")

    async def _handle(
        self, index: Index, transform: SchemaTransform, event: SchemaEvent, owner: str | None
    ) -> None:
        in_force = await _in_force(transform, event)
        if in_force is not None and self._on_affected is None:
            result = await self._bring_up_to_date(index, transform, in_force)
            if result or result.missing or result.failed or result.unknown:
                await self._tell(owner, event, str(result))
            return
        affected = await _affected(index, event, in_force, owner)
        if in_force is None:
            await asyncio.to_thread(self._flag, index.name, event)
            if affected:
                await self._tell(owner, event, str(affected))
        elif self._on_affected is not None and (affected or _holds_back(transform)):
            answer = self._on_affected(affected)
            if inspect.isawaitable(answer):
                await answer

    async def _bring_up_to_date(
        self,
        index: Index,
        transform: SchemaTransform,
        in_force: InForce | None,
        *,
        compare: bool = False,
        limit: int | None = None,
        asked: frozenset[str] = frozenset(),
        pace: Pace | None = None,
        swap: bool = False,
    ) -> ReindexResult:
        if in_force is None:
            return ReindexResult(index.name)

        def work() -> ReindexResult:
            run = partial(
                index.bring_up_to_date,
                transform,
                in_force,
                compare=compare,
                limit=limit,
                asked=asked,
                pace=pace,
            )
            with index.lock:
                settle(index)
                is_due = swap and index.has_work(transform, in_force)
                return beside(index, run) if is_due else run()

        return await asyncio.to_thread(work)

    def _all(self) -> list[tuple[Index, SchemaTransform]]:
        return [(index, t) for index in tuple(self.indexes.values()) for t in index.transforms]

    def _here(self, subject: str) -> Iterable[tuple[Index, SchemaTransform]]:
        for index in tuple(self.indexes.values()):
            transform = index.transform_for(subject)
            if transform is not None:
                yield index, transform

    def _flag(self, name: str, event: SchemaEvent) -> None:
        for usage in self.catalogue.using(event.subject, "index"):
            if usage.name == name:
                flags = {**usage.metadata, event.version: str(event.event_type)}
                self.catalogue.add(replace(usage, metadata=flags))

    async def _tell(self, owner: str | None, event: SchemaEvent, what: str) -> None:
        headline = f"{event.subject}@{event.version} {event.event_type}"
        breaking = event.event_type is SchemaEventType.DELETED
        await self._notifier.notify(Notice(owner, event, (what,), headline, breaking=breaking))


def _audit(index: Index, transform: SchemaTransform, in_force: InForce, mend: bool) -> IndexAudit:
    with index.lock:
        found = audit(index, transform, in_force)
        if mend and not found.is_sound:
            settle(index)
            repair(index, in_force, found)
            index.bring_up_to_date(transform, in_force, compare=True)
        return found


async def _in_force(transform: SchemaTransform, event: SchemaEvent | None = None) -> InForce | None:
    """The version to judge by after the event; None if none is left, or one was deprecated."""
    if event is not None and event.event_type is SchemaEventType.DEPRECATED:
        return None
    registry = transform.client
    schema = await in_force_after(registry, SchemaRef.parse(transform.schema_ref), event)
    if schema is None:
        return None
    validator = await registry.aio.validator_for(schema, options=transform.options)
    return InForce(validator, schema.id)


async def _affected(
    index: Index, event: SchemaEvent, in_force: InForce | None, owner: str | None
) -> AffectedDocuments:
    if in_force is not None:
        stale = await asyncio.to_thread(index.stale, event.subject, in_force)
        return replace(stale, owner=owner)
    deprecated = event.event_type is SchemaEventType.DEPRECATED
    vectors = await asyncio.to_thread(index.stamped_by, event.subject, event.version)
    impact: Impact = "deprecated" if deprecated else "gone"
    return AffectedDocuments(index.name, event.subject, event.reference, impact, vectors, owner)


def _holds_back(transform: SchemaTransform) -> bool:
    """Whether the quarantine holds documents that a relaxed schema could release."""
    return isinstance(transform.quarantine, Quarantine) and bool(transform.quarantine.parts())
