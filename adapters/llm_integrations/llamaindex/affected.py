"""The documents of an index that a change affects, and the result of reindexing them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal

__all__ = ["AffectedDocuments", "Impact", "ReindexResult"]

Impact = Literal["stale", "deprecated", "gone"]
"""stale: another version is in force now. deprecated: stamped by a version that should not be used
any more. gone: stamped by a version that was deleted, and none is left."""


@dataclass(frozen=True, slots=True)
class AffectedDocuments:
    """Documents of one index.

    Attributes:
        index: its name.
        subject: the schema's.
        reference: the version in force as ``subject@version``; for "deprecated" and "gone" the
            version that the event is about.
        impact: how the change affects them; only "stale" ones are reindexed.
        vectors: for each document's id, the ids of the nodes in the vector store that carry the
            old stamp.
        owner: who is told; None where neither the index, nor the event, nor the schema names
            anybody.
    """

    index: str
    subject: str
    reference: str
    impact: Impact
    vectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owner: str | None = None

    @property
    def document_ids(self) -> tuple[str, ...]:
        return tuple(self.vectors)

    def __len__(self) -> int:
        return len(self.vectors)

    def __str__(self) -> str:
        noun = "document" if len(self) == 1 else "documents"
        return f"{self.index}: {len(self)} {noun} {self.impact} ({self.reference})"


@dataclass(frozen=True, slots=True)
class ReindexResult:
    """The result of reindexing: the ids of documents by their outcome.

    Attributes:
        reindexed: documents that are in the index by the version in force.
        set_aside: documents that it refuses: out of the index, and in the quarantine.
        missing: documents without a text in the docstore or the loader; not changed.
        released: documents that came back from the quarantine.
        failed: documents that could not be embedded or written, each with the reason; they stay
            as they were, and the next run tries them again.
        in_place: those of the reindexed whose stamps were written and nothing else: their text is
            the one that was embedded.
        unknown: documents in the quarantine that are valid now and that the docstore does not
            know, because somebody erased them: ``release`` or ``forget`` them.
    """

    index: str
    reference: str = ""
    reindexed: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    in_place: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self.reindexed or self.set_aside or self.released)

    def __str__(self) -> str:
        parts = [f"{len(self.reindexed)} reindexed", f"{len(self.set_aside)} set aside"]
        for name in ("missing", "released", "failed", "unknown"):
            count = len(getattr(self, name))
            parts += [f"{count} {name}"] if count else []
        return f"{self.index}: {', '.join(parts)} ({self.reference})"

    @property
    def taken(self) -> int:
        """How many documents were taken on."""
        done = (self.reindexed, self.set_aside, self.missing, self.released, self.failed)
        return sum(map(len, done))

    def plus(self, other: ReindexResult) -> ReindexResult:
        """Both together."""
        parts = {part.name: getattr(self, part.name) for part in fields(self)[2:]}
        return replace(self, **{name: own + getattr(other, name) for name, own in parts.items()})

    def releasing(self, names: Collection[str]) -> ReindexResult:
        """The same, with these documents told as released rather than reindexed."""
        return replace(
            self,
            reindexed=tuple(name for name in self.reindexed if name not in names),
            in_place=tuple(name for name in self.in_place if name not in names),
            released=tuple(name for name in self.reindexed if name in names),
        )
