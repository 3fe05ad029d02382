"""Erasing documents for good, as their owners ask for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from llm_integrations.llamaindex.upkeep.holdings.listing import Listing
from llm_integrations.llamaindex.upkeep.holdings.release import forget_records

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index

__all__ = ["forget"]


def forget(index: Index, names: Collection[str]) -> set[str]:
    """Erase documents from an index's vector store, docstore and quarantines.

    The docstore is last: until then another call finds everything again.

    Returns:
        Those of which there was something.
    """
    with index.lock:
        present = Listing(index).present
        found = {name for name in names if name in present}
        index.nodes.delete_documents(sorted(names))
        index.nodes.delete([node for name in found for node in present[name]])
        found |= forget_records(index, names)
        found |= index.known.forget(names)
        index.persistence.changed()
        index.persistence.flush()
    return found
