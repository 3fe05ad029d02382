"""A source that watches a file registry's folder."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from llm_integrations.core.errors import ConfigurationError, RegistryError, SchemaNotFound
from llm_integrations.core.events.sources.snapshots import SnapshotSource
from llm_integrations.core.events.sources.view import SeenVersion, Versions, View, events_between
from llm_integrations.core.extras import require_extra
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.reference import Version
from llm_integrations.core.model.schema import RegisteredSchema, fingerprint_of
from llm_integrations.core.registry.address import read_addresses
from llm_integrations.core.registry.local.file.backend import FileBackend
from llm_integrations.core.registry.local.file.entries import changed_since, entries
from llm_integrations.core.registry.local.file.folder import FolderStore
from llm_integrations.core.registry.local.file.index import flat_subject
from llm_integrations.core.registry.local.file.names import decode_subject
from llm_integrations.core.registry.local.file.subject_folder import SubjectFolder
from llm_integrations.core.registry.local.ledger import Entry, schema_id

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["FileWatchSource"]

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
    folder holds when it was left alone for a moment. What cannot be read is named once, and looked
    at again when it changes.

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
        self._looked_at: list[str] = []  # documents, from a look until the watch is there

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

        # First a look, then the watch, which would be told of each file that the look opens; what
        # changed in between shows in the times of the files.
        inode, began = self._inode(), time.time_ns()
        yield None
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
            yield await asyncio.to_thread(self._changed_since, began)
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

    def _changed_since(self, moment: int) -> set[str] | None:
        """The subjects of which a folder or a file that was read last changed after a moment."""
        folders = (entry.path for entry in entries(str(self._root)))
        paths = [str(self._root), *folders, *self._looked_at]
        self._looked_at = []
        return self._touched(map(Path, changed_since(paths, moment)))

    def _touched(self, paths: Iterable[Path]) -> set[str] | None:
        """The subjects that paths belong to; None when one of them does not say."""
        root = f"{self._root}{os.sep}"
        folders: set[str] = set()
        for path in map(str, paths):
            if not path.startswith(root):
                return None
            folder, is_inside, file = path.removeprefix(root).partition(os.sep)
            is_flat = not is_inside and flat_subject(folder) is not None
            if is_flat or folder.startswith(".."):  # Kubernetes renames ..data to change a volume
                return None
            # Locks and half-written files have a leading dot; the rest of the root is settings.
            if folder.startswith(".") or file.startswith(".") or f"{os.sep}." in file:
                continue
            if is_inside or folder in folders or not os.path.isfile(path):  # noqa: PTH113 - text
                folders.add(folder)
        subjects = {decode_subject(folder) for folder in folders}
        return None if None in subjects else {name for name in subjects if name is not None}

    def _look(self, touched: set[str] | None) -> tuple[View, list[SchemaEvent]]:
        inode = self._inode()
        if self._view is not None and inode is None:
            return self._view, []  # the folder is away, which deletes nothing
        is_baseline = self._view is None
        view = View(self._view.subjects if self._view is not None else None)
        is_whole = touched is None
        if touched is None:
            touched = {*self._store.names(), *view.subjects}
            self._looked_at = []
        events: list[SchemaEvent] = []
        for subject, found in self._found(touched):
            if is_whole and isinstance(found, SubjectFolder):
                self._looked_at += found.paths
            with self._alone(subject):
                before = view.of(subject)
                after = self._read(subject, found, before, tell=not is_baseline)
                if not is_baseline:
                    events += events_between(self._url, subject, before, after)
                # The bodies would be kept twice: the client's cache has those that are in use.
                view.put(subject, {v: seen.without_schema() for v, seen in after.items()})
        if self._view is not None and self._inode() != inode:
            return self._view, []  # it went away meanwhile; the next look is at what is there then
        return view, events

    def _found(
        self, subjects: set[str]
    ) -> Iterator[tuple[str, SubjectFolder | RegistryError | None]]:
        """Each subject's folder, or why it cannot be read; None for a subject that is gone."""
        names = sorted(subjects)
        there = self._store.every(names)
        coming = next(there, None)
        for name in names:
            if coming is None or coming[0] != name:
                yield name, None
            else:
                yield coming
                coming = next(there, None)

    def _read(
        self,
        subject: str,
        found: SubjectFolder | RegistryError | None,
        before: Versions,
        *,
        tell: bool,
    ) -> Versions:
        """A subject's versions; for one that cannot be read, as it was seen before."""
        if found is None:
            return {}
        versions: dict[Version, SeenVersion] = {}
        well: list[str] = []
        damage: dict[str, RegistryError] = {}
        try:
            if isinstance(found, RegistryError):
                raise found
            entries = found.ledger.entries
        except RegistryError as error:
            self._named.follow((), {subject: error})
            return before
        for entry in entries:
            name, seen = f"{subject}@{entry.version}", before.get(entry.version)
            try:
                seen = _read_version(found, entry, seen, tell=tell)
                well.append(name)
            except SchemaNotFound:  # removed meanwhile, which is a change of its own
                pass
            except RegistryError as error:
                damage[name] = error
            if seen is not None:
                versions[entry.version] = seen
        self._named.follow(well, damage)
        return versions


def _read_version(
    found: SubjectFolder, entry: Entry, before: SeenVersion | None, *, tell: bool
) -> SeenVersion:
    """Its file is read unless the file system says that it was left alone.

    ``tell``: whether the schema is needed, for an event.
    """
    version, state = entry.version, entry.state
    mark = found.mark(version)
    if before and mark and (before.mark, before.state) == (mark, state):
        return before
    number = schema_id(found.subject, version)
    if not entry.is_live:
        return SeenVersion(version, number, "", state)
    body = found.body(version)
    if not tell:
        return SeenVersion(version, number, fingerprint_of(body, is_json=True), state, mark=mark)
    schema = RegisteredSchema(
        number, found.subject, version, body, state=state, metadata=dict(entry.metadata)
    )
    return SeenVersion(version, number, schema.fingerprint, state, schema=schema, mark=mark)


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
