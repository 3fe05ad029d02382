"""The documents of an index that a change affects, and the result of reindexing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
            old stamp; none for a document whose reindexing was interrupted.
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
    """

    index: str
    reference: str = ""
    reindexed: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    released: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self.reindexed or self.set_aside or self.released)

    def __str__(self) -> str:
        parts = [f"{len(self.reindexed)} reindexed", f"{len(self.set_aside)} set aside"]
        for name, ids in (("missing", self.missing), ("released", self.released)):
            parts += [f"{len(ids)} {name}"] if ids else []
        return f"{self.index}: {', '.join(parts)} ({self.reference})"
