"""Watching a file registry's folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from llm_integrations.core.errors import ConfigurationError, RegistryError, SchemaNotFound
from llm_integrations.core.events.sources.snapshots import SnapshotSource, alone
from llm_integrations.core.events.sources.view import SeenVersion, Versions, View, events_between
from llm_integrations.core.extras import require_extra
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.reference import Version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.address import read_addresses
from llm_integrations.core.registry.local.file.backend import FileBackend
from llm_integrations.core.registry.local.file.folder import FolderStore
from llm_integrations.core.registry.local.file.names import decode_subject
from llm_integrations.core.registry.local.ledger import Entry, schema_id

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["FileWatchSource"]

log = get_logger(__name__)

_SETTLED_MS: Final = 20
_LONGEST_BATCH_MS: Final = 200
# Should the system ever lose a report, a look at everything makes up for it.
_RESCAN_SECONDS: Final = 300.0
# A watch that is cancelled while its thread starts ends with its current look for reports.
_LOOK_FOR_REPORTS_MS: Final = 1000
_MISSING_FOLDER_SECONDS: Final = 0.3


class FileWatchSource(SnapshotSource):
    """Notices within milliseconds what anybody does to the folder of a file registry.

    Hand edits, ``git pull`` and other processes' registrations alike: what counts is what the
    folder holds when it was left alone for a moment. Files that cannot be read are logged, and
    looked at again when they change.

    Args:
        registry: a file registry's client, or its folder.
        start: "now" tells what changes from now on (or, where a state is kept, since the last
            run); "beginning" also what is there.
        poll_interval: seconds between looks on a file system that reports no changes; None
            trusts the file system.
        name: unique within a listener.
    """

    def __init__(
        self,
        registry: Registry | str | Path,
        *,
        start: Literal["now", "beginning"] = "now",
        poll_interval: float | None = None,
        name: str = "file-watch",
    ) -> None:
        require_extra("events", "watchfiles")
        super().__init__(name, start)
        named = None if isinstance(registry, str | Path) else registry.settings.registry_id
        self._url = named or FileBackend(_folder(registry)).url
        self._store = FolderStore(_folder(registry))
        self._root = self._store.root
        self._poll_interval = poll_interval

    async def _looks(self) -> AsyncGenerator[tuple[View, list[SchemaEvent]], None]:
        async with aclosing(self._watch()) as changes:
            async for touched in changes:
                yield await asyncio.to_thread(self._look, touched)

    async def _watch(self) -> AsyncGenerator[set[str] | None, None]:
        """The subjects that were touched; None, as at the beginning, means any."""
        while True:
            if self._root.is_dir():
                async with aclosing(self._watch_folder()) as changes:
                    async for touched in changes:
                        yield touched
            else:
                yield None
                while not self._root.is_dir():  # noqa: ASYNC110 - nobody tells of a folder to come
                    await asyncio.sleep(_MISSING_FOLDER_SECONDS)

    async def _watch_folder(self) -> AsyncGenerator[set[str] | None, None]:
        """Ends when the folder is another one, or gone."""
        from watchfiles import awatch

        inode = self._inode()
        watching = awatch(
            self._root,
            watch_filter=None,
            step=_SETTLED_MS,
            debounce=_LONGEST_BATCH_MS,
            rust_timeout=_LOOK_FOR_REPORTS_MS,
            yield_on_timeout=True,
            force_polling=self._poll_interval is not None or None,
            poll_delay_ms=int((self._poll_interval or 0.3) * 1000),
        )
        coming = asyncio.ensure_future(anext(watching))
        looked_at = time.monotonic()
        try:
            await asyncio.sleep(0)  # it watches before anything is looked at, so nothing is missed
            yield None
            while self._inode() == inode:
                changes = await coming
                coming = asyncio.ensure_future(anext(watching))
                if changes:
                    yield self._touched(Path(path) for _, path in changes)
                elif time.monotonic() - looked_at > _RESCAN_SECONDS:
                    looked_at = time.monotonic()
                    yield None
        finally:
            coming.cancel()
            await asyncio.wait({coming})
            await watching.aclose()

    def _inode(self) -> int | None:
        try:
            return self._root.stat().st_ino
        except OSError:
            return None

    def _touched(self, paths: Iterable[Path]) -> set[str] | None:
        """The subjects that paths belong to; None when one of them does not say."""
        subjects: set[str] = set()
        for path in paths:
            if not path.is_relative_to(self._root):
                return None
            parts = path.relative_to(self._root).parts
            # Locks and half-written files have a leading dot; the rest of the root is settings.
            if any(part.startswith(".") for part in parts) or (len(parts) == 1 and path.is_file()):
                continue
            subject = decode_subject(parts[0]) if parts else None
            if subject is None:
                return None
            subjects.add(subject)
        return subjects

    def _look(self, touched: set[str] | None) -> tuple[View, list[SchemaEvent]]:
        is_baseline = self._view is None
        view = View(self._view.subjects if self._view is not None else None)
        if touched is None:
            touched = {*self._subjects(), *view.subjects}
        events: list[SchemaEvent] = []
        for subject in sorted(touched):
            with alone(subject):
                before = view.of(subject)
                after = self._read(subject, before)
                if not is_baseline:
                    events += events_between(self._url, subject, before, after)
                # The bodies would be kept twice: the client's cache has those that are in use.
                view.put(subject, {v: replace(seen, schema=None) for v, seen in after.items()})
        return view, events

    def _subjects(self) -> Iterable[str]:
        return self._store.subjects() if self._root.is_dir() else ()

    def _read(self, subject: str, before: Versions) -> Versions:
        """A subject's versions; of what cannot be read, what was seen before."""
        try:
            entries = self._store.ledger(subject).entries
        except RegistryError as error:
            log.warning("%s is left out until it changes: %s", subject, error)
            return before
        versions: dict[Version, SeenVersion] = {}
        for entry in entries:
            seen = self._read_version(subject, entry, before.get(entry.version))
            if seen is not None:
                versions[entry.version] = seen
        return versions

    def _read_version(
        self, subject: str, entry: Entry, before: SeenVersion | None
    ) -> SeenVersion | None:
        number = schema_id(subject, entry.version)
        if not entry.is_live:
            return SeenVersion(entry.version, number, "", entry.state)
        try:
            body = self._store.body(subject, entry.version)
            return SeenVersion.of(
                RegisteredSchema(
                    number, subject, entry.version, body, state=entry.state, metadata=entry.metadata
                )
            )
        except SchemaNotFound:  # removed meanwhile, which is a change of its own
            return before
        except RegistryError as error:
            log.warning("%s@%s is left out until it changes: %s", subject, entry.version, error)
            return before


def _folder(registry: Registry | str | Path) -> Path:
    if isinstance(registry, str | Path):
        address = read_addresses(registry)[0]
        if address.protocol != "file":
            raise ConfigurationError("only a file registry has a folder to watch")
        return Path(address.location)
    parts = urlsplit(registry.url)
    if parts.scheme != "file":
        raise ConfigurationError(f"{registry.url} is no file registry: there is nothing to watch")
    return Path(url2pathname(parts.path))
