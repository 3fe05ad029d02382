"""An index brought up to date beside itself, and put in its own place in one step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from llm_integrations.core.observability import get_logger
from llm_integrations.llamaindex.upkeep.holdings.listing import grouped

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index
    from llm_integrations.llamaindex.stores import StoredNodes
    from llm_integrations.llamaindex.stores.qdrant_copy import QdrantCopy
    from llm_integrations.llamaindex.upkeep.holdings.listing import Nodes

__all__ = ["beside", "late_in", "settle"]

log = get_logger(__name__)

T = TypeVar("T")
_ROUNDS = 10


def beside(index: Index, work: Callable[[], T]) -> T:
    """Run ``work`` on a copy of an index's nodes, which then takes their place.

    Readers find the old nodes until then, and the new ones after. What others write meanwhile is
    copied too. If the work raises, the copy is dropped and nothing has changed for readers. What
    docstore and quarantine are to be told waits for the move, so that a process that is killed
    before it leaves them as they were, too. One that is killed as the alias moves leaves to
    ``settle`` what was written just then.

    Raises:
        Unsupported: the store has no names that can be moved from one collection to another.
        ConfigurationError: the index is no such name, but a collection itself.
    """
    live = index.nodes
    copy = live.copied()
    waiting: list[Callable[[], object]] = []
    index.waiting = waiting
    try:
        known = _listed(copy.source)
        copy.take()
        index.nodes = copy
        done = work()
        for _ in range(_ROUNDS):
            known, changed = _follow(copy, known)
            if not changed:
                break
            log.info("%s: %d documents were changed meanwhile", index.name, changed)
        copy.mark()
        known, _ = _follow(copy, known)
        copy.replace()
    except BaseException:
        with suppress(Exception):  # the store's; the next swap sweeps too
            copy.sweep()
        raise
    finally:
        index.nodes, index.waiting = live, None
    _follow(copy, known)  # what was written between the last look and the move
    copy.settle()
    copy.sweep()
    for remember in waiting:
        remember()
    return done


def late_in(index: Index) -> Nodes:
    """Documents that were written just before an alias moved, by a swap that then was killed.

    Returns:
        Their nodes in the collection before; without what was written again since, or erased.
    """
    copy = index.nodes.unsettled()
    if copy is None:
        return {}
    late = grouped(copy.late()).keys() - grouped(copy.newer()).keys()
    if index.known.is_complete:
        late = {name for name in late if index.known.knows(name)}
    return {name: nodes for name, nodes in _listed(copy.source).items() if name in late}


def settle(index: Index) -> None:
    """Bring over what a swap that was killed did not."""
    copy = index.nodes.unsettled()
    if copy is not None:
        late, held = late_in(index), _listed(copy)
        log.info("%s: %d documents of a swap that was killed", index.name, len(late))
        copy.delete([node for name in late for node in held.get(name, ())])
        copy.take([node for nodes in late.values() for node in nodes])
        copy.settle()


def _follow(copy: QdrantCopy, known: Nodes) -> tuple[Nodes, int]:
    """Bring over what its source has that was not known; what it has now, and how much that was."""
    now = _listed(copy.source)
    changed = [name for name in now.keys() | known.keys() if now.get(name) != known.get(name)]
    if changed:
        held = _listed(copy)
        copy.delete([node for name in changed for node in held.get(name, ())])
        copy.take([node for name in changed for node in now.get(name, ())])
    return now, len(changed)


def _listed(nodes: StoredNodes) -> Nodes:
    found = grouped(nodes.every(()))
    return {name: tuple(sorted(ids)) for name, ids in found.items()}
