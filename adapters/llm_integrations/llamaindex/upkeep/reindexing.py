"""One run over documents of an index, by one version: judged, stamped or embedded, then replaced.

Nothing leaves the index before what takes its place is there, and a document that fails takes no
other with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import run_transformations
from llama_index.core.schema import BaseNode, TransformComponent
from tqdm import tqdm

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.observability import get_logger
from llm_integrations.core.stamp import VALID, InForce, stamp_keys_of, stamps_of
from llm_integrations.llamaindex.affected import ReindexResult
from llm_integrations.llamaindex.node_record import has_lost_media
from llm_integrations.llamaindex.stores.query import GONE, Changes
from llm_integrations.llamaindex.transform import SchemaTransform
from llm_integrations.llamaindex.upkeep.chunks import chunks_of, tokens_in
from llm_integrations.llamaindex.upkeep.migration import changed_metadata
from llm_integrations.llamaindex.upkeep.node_ids import by_document, name_nodes
from llm_integrations.llamaindex.upkeep.pace import Pace
from llm_integrations.llamaindex.upkeep.reasons import each, reason_of

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["Reindexing", "Vectors"]

log = get_logger(__name__)

Vectors = Mapping[str, Sequence[str]]
Fetch: TypeAlias = Callable[[Sequence[str]], Mapping[str, BaseNode]]
T = TypeVar("T", str, BaseNode)
_GIVE_UP: Final = 20
"""Documents in a row that may fail; then a few others tell whether it is the documents."""
_SAMPLES: Final = 5
_AT_HAND: Final = 256
"""Documents that are judged and stamped together: a store on disk syncs once for them."""
_IN: Final = ("reindexed", "in_place")
"""What becomes of documents that are in the index afterwards."""
_NODES: Final = 1000
"""Nodes that are stamped in one request."""


class _GivenUpError(Exception):
    """So many documents failed that the others are not tried."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"not tried, for {_GIVE_UP} in a row failed; the last: {reason}")
        self.stage = stage


class Reindexing:
    """Args:
    index: whose documents.
    in_force: the version to judge by.
    vectors: for each document's id, the ids of its nodes that are to be replaced.
    hashes: what the docstore knew before these were listed. A document that changed since is
        left alone: whoever changed it has put it into the index.
    anew: whether texts are embedded that were embedded before.
    pace: a rate limit.
    """

    def __init__(
        self,
        index: Index,
        in_force: InForce,
        vectors: Vectors,
        hashes: Mapping[str, str],
        *,
        anew: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self._index = index
        self._in_force = in_force
        self._vectors = vectors
        self._hashes = hashes
        self._anew = anew
        self._pace = pace or Pace()
        self._steps = index.steps(in_force)
        self._outcome: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._tried: set[str] = set()
        self._in_a_row: Counter[str] = Counter()

    def run(self, names: Sequence[str]) -> ReindexResult:
        """Documents by their ids, from the docstore or the loader."""

        def fetch(batch: Sequence[str]) -> Mapping[str, BaseNode]:
            return self._index.documents(batch, self._vectors, self._steps)

        return self._run(names, fetch, whole=self._index.known.is_loaded)

    def run_documents(self, documents: Mapping[str, BaseNode]) -> ReindexResult:
        """Documents that are at hand, whole."""
        return self._run(
            list(documents), lambda names: {n: documents[n] for n in names}, whole=True
        )

    def _result(self, names: Sequence[str]) -> ReindexResult:
        def of(*wanted: str) -> tuple[str, ...]:
            return tuple(name for name in names if self._outcome.get(name) in wanted)

        return ReindexResult(
            self._index.name,
            self._in_force.validator.reference,
            reindexed=of(*_IN),
            set_aside=of("set_aside"),
            missing=of("missing"),
            failed=tuple((name, self._reasons[name]) for name in of("failed")),
            in_place=of("in_place"),
        )

    def _run(self, names: Sequence[str], fetch: Fetch, *, whole: bool) -> ReindexResult:
        self._fetch, self._whole = fetch, whole
        left = list(names)
        hidden = not (self._index.progress and names)
        title = f"reindexing {self._index.name}"
        with tqdm(total=len(names), desc=title, disable=hidden) as bar:
            while left:
                try:
                    for batch in _parts(left, self._pace.batch_size(self._size())):
                        self._take(batch)
                        bar.update(len(self._tried) - bar.n)
                except _GivenUpError as error:
                    if not self._others_work(error.stage, self._left(names)):
                        self._give_up(error, self._left(names))
                left = self._left(names)
        self._tell(names)
        return self._result(names)

    def _size(self) -> int:
        """How many documents are at hand at once: of a docstore's more than are embedded."""
        return self._index.batch_size if self._whole else max(self._index.batch_size, _AT_HAND)

    def _take(self, batch: Sequence[str]) -> None:
        found: dict[str, BaseNode] = {}

        def read(part: Sequence[str]) -> None:
            found.update(self._fetch(part))
            self._outcome.update((name, "missing") for name in part if name not in found)

        self._pace.documents(len(batch))
        self._each(read, batch)
        self._batch(list(found.values()))
        self._tried.update(batch)
        self._index.persistence.changed()

    def _left(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self._tried and name not in self._outcome]

    def _others_work(self, stage: str, names: Sequence[str]) -> bool:
        """Whether one of a few documents, spread over the rest, gets through what failed."""
        step = max(1, len(names) // _SAMPLES)
        for name in names[::-1][::step][:_SAMPLES]:
            with suppress(_GivenUpError):
                self._take([name])
            if not self._in_a_row[stage]:
                return True
        return False

    def _give_up(self, error: _GivenUpError, names: Sequence[str]) -> None:
        log.warning("%s: %s", self._index.name, error)
        self._outcome.update(dict.fromkeys(names, "failed"))
        self._reasons.update(dict.fromkeys(names, str(error)))

    # -- a batch ----------

    def _batch(self, documents: Sequence[BaseNode]) -> None:
        given = {document.id_: document for document in documents}
        forms: dict[str, BaseNode] = {}
        stamped: dict[str, BaseNode] = {}
        refused: list[BaseNode] = []

        def judge(part: Sequence[BaseNode]) -> None:
            first = self._steps.first
            migrated = [self._index.migration(document, first) for document in part]
            forms.update((document.id_, document) for document in migrated)
            passed = {node.id_: node for node in _judged(migrated, first)}
            stamped.update(passed)
            refused.extend(document for document in part if document.id_ not in passed)

        def stamp(part: Sequence[BaseNode]) -> None:
            self._stamp_in_place([given[n.id_] for n in part], stamped, forms)

        def embed(part: Sequence[BaseNode]) -> None:
            self._embed(part, given)

        def drop(part: Sequence[BaseNode]) -> None:
            self._replace(part, {}, "set_aside")

        try:
            self._each(judge, documents)
            if self._steps.judge_whole_documents and not self._anew:
                self._each(stamp, list(stamped.values()))
            anew = self._embeddable(stamped.values(), given)
            for paced in self._pace.texts(anew, self._tokens_in):
                for part in _parts(paced, self._index.batch_size):
                    self._each(embed, part)
                    self._index.persistence.changed()
            self._each(drop, refused)
        finally:
            migrated = [
                form
                for name, form in forms.items()
                if form is not given[name] and self._outcome.get(name) in _IN
            ]
            if migrated:
                self._index.once_in_place(partial(self._index.known.rewrite, migrated))

    def _keep(self, documents: Sequence[BaseNode]) -> None:
        known, whole = self._index.known, self._whole
        news = known.news(documents, whole=whole)
        if news:
            self._index.once_in_place(lambda: known.keep(self._live(news), whole=whole))

    def _each(self, work: Callable[[Sequence[T]], object], items: Sequence[T]) -> None:
        """Work on all, and if that fails on each alone."""
        stage = work.__name__

        def counted(part: Sequence[T]) -> None:
            work(part)
            self._in_a_row[stage] = 0

        each(counted, items, partial(self._fail, stage))

    def _fail(self, stage: str, item: str | BaseNode, error: Exception) -> None:
        name, document = (item, None) if isinstance(item, str) else (item.id_, item)
        reason = reason_of(error, document)
        self._outcome[name], self._reasons[name] = "failed", reason
        self._in_a_row[stage] += 1
        if self._in_a_row[stage] >= _GIVE_UP:
            raise _GivenUpError(stage, reason)

    # -- in place ----------

    def _stamp_in_place(
        self,
        documents: Iterable[BaseNode],
        stamped: Mapping[str, BaseNode],
        forms: Mapping[str, BaseNode],
    ) -> None:
        """Write new stamps, and migrated metadata, where the text is the one that was embedded."""
        able = [d for d in documents if self._vectors.get(d.id_) and self._is_same(d)]
        able = self._live(able)
        changes: dict[str, Changes] = {}
        for document in able:
            after = forms[document.id_].metadata
            change = changed_metadata(document.metadata, after, GONE)
            change.update(_stamps_on(stamped[document.id_]))
            for node in self._vectors[document.id_]:
                changes[node] = change
        if not changes:
            return
        changed: set[str] = set()
        for part in _parts(list(changes), _NODES):
            changed |= self._index.nodes.stamp({node: changes[node] for node in part})
        done = [d for d in able if changed.issuperset(self._vectors[d.id_])]
        if len(done) < len(able):
            log.info("%s: its store cannot stamp in place; texts are embedded", self._index.name)
        self._outcome.update((document.id_, "in_place") for document in done)
        self._keep(done)

    def _is_same(self, document: BaseNode) -> bool:
        """Whether a document is what the docstore knows: its own copy is."""
        return not self._whole or document.hash == self._hashes.get(document.id_)

    # -- anew ----------

    def _tokens_in(self, document: BaseNode) -> int:
        try:
            return tokens_in(chunks_of([document], self._steps.rest))
        except Exception:  # noqa: BLE001 - a parser's; embedding tells it by document
            return 0

    def _embeddable(
        self, stamped: Iterable[BaseNode], given: Mapping[str, BaseNode]
    ) -> list[BaseNode]:
        found = []
        for node in stamped:
            if node.id_ in self._outcome:
                continue
            known = self._index.known.original_hash(node.id_)
            if not self._whole and has_lost_media(given[node.id_], known):
                self._outcome[node.id_] = "missing"
            else:
                found.append(node)
        return found

    def _embed(self, part: Sequence[BaseNode], given: Mapping[str, BaseNode]) -> None:
        copies = [node.model_copy(deep=True) for node in part]
        groups = by_document(run_transformations(copies, self._steps.rest))
        name_nodes(groups, self._in_force.fingerprint)
        last = self._steps.rest[-1:]
        wanted = all if any(isinstance(step, BaseEmbedding) for step in last) else any
        if not all(wanted(node.embedding for node in nodes) for nodes in groups.values()):
            raise ConfigurationError("the pipeline gave its nodes no embedding")
        documents = [given[node.id_] for node in part]
        filled = [document for document in documents if document.id_ in groups]
        empty = [document for document in documents if document.id_ not in groups]
        self._replace(filled, groups, "reindexed")
        if empty:  # valid, and without a text, where whole documents are judged
            valid = self._steps.judge_whole_documents
            self._replace(empty, groups, "reindexed" if valid else "set_aside")

    def _replace(
        self,
        documents: Sequence[BaseNode],
        groups: Mapping[str, Sequence[BaseNode]],
        outcome: str,
    ) -> None:
        """Write the new nodes, then delete the old ones: by id, and all of a batch at once."""
        nodes, live = self._index.nodes, self._live(documents)
        if not nodes.lists_everything:
            nodes.delete_documents([d.id_ for d in live if not self._vectors.get(d.id_)])
        new = {
            document.id_: [n for n in groups.get(document.id_, ()) if n.embedding is not None]
            for document in live
        }
        self._write([node for part in new.values() for node in part], live)
        done = self._live(live)
        overtaken = {document.id_ for document in live} - {document.id_ for document in done}
        written = {node.id_ for name in new.keys() - overtaken for node in new[name]}
        old = {node for document in done for node in self._vectors.get(document.id_, ())}
        late = {node.id_ for name in overtaken for node in new[name]}
        if nodes.deletes_by_id:
            nodes.delete(sorted((old | late) - written))
        for document in done:
            if outcome == "set_aside" or new[document.id_] or self._vectors.get(document.id_):
                self._outcome[document.id_] = outcome
        self._keep(done)

    def _write(self, new: Sequence[BaseNode], documents: Sequence[BaseNode]) -> None:
        nodes = self._index.nodes
        if not nodes.deletes_by_id:  # its only way to delete would take the new ones too
            nodes.delete_documents([document.id_ for document in documents])
        if new:
            nodes.write(new)

    def _live(self, documents: Sequence[BaseNode]) -> list[BaseNode]:
        """Those that nobody changed since the run began."""
        return [document for document in documents if self._is_unchanged(document.id_)]

    def _is_unchanged(self, name: str) -> bool:
        if self._index.known.is_unchanged(name, self._hashes.get(name)):
            return True
        log.info("%s: a document was changed meanwhile, and is left alone", self._index.name)
        return False

    def _tell(self, names: Sequence[str]) -> None:
        for outcome, told in _TOLD.items():
            count = sum(self._outcome.get(name) == outcome for name in names)
            if count:
                about = {"llmi_index": self._index.name}
                log.warning("%s: %d documents %s", self._index.name, count, told, extra=about)


_TOLD: Final = {
    "missing": "are not kept in the docstore and stay as they are",
    "failed": "failed and stay as they are; the result says why",
}


def _stamps_on(node: BaseNode) -> dict[str, Any]:
    """A node's stamps, and GONE for what an older one may have said besides."""
    old = {VALID + stamp.suffix: GONE for stamp in stamps_of(node.metadata)}
    ours = stamp_keys_of(node.metadata)
    return {**old, **{key: node.metadata[key] for key in ours if key in node.metadata}}


def _judged(documents: Sequence[BaseNode], first: Sequence[TransformComponent]) -> list[BaseNode]:
    """What the schemas let through, stamped; metadata apart, it shares all with what came."""
    passed = list(documents)
    for step in first:
        if isinstance(step, SchemaTransform):
            passed = step.judged(passed)
    return passed


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[first : first + size] for first in range(0, len(items), size))
