"""An index brought up to date beside itself, and put in its own place in one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from llm_integrations.core.observability import get_logger
from llm_integrations.llamaindex.upkeep.listing import grouped

if TYPE_CHECKING:
    from llm_integrations.llamaindex.index import Index
    from llm_integrations.llamaindex.stores import StoredNodes
    from llm_integrations.llamaindex.upkeep.listing import Nodes

__all__ = ["beside"]

log = get_logger(__name__)

T = TypeVar("T")
_ROUNDS = 10


def beside(index: Index, work: Callable[[], T]) -> T:
    """Run ``work`` on a copy of an index's nodes, which then takes their place.

    Readers find the old nodes until then, and the new ones after. What others write meanwhile is
    copied too. If the work raises, the copy is dropped and nothing has changed for readers.

    Raises:
        Unsupported: the store has no names that can be moved from one collection to another.
        ConfigurationError: the index is no such name, but a collection itself.
    """
    live = index.nodes
    copy = live.copied()
    try:
        before = _listed(live)
        copy.take(live)
        index.nodes = copy
        done = work()
        for _ in range(_ROUNDS):
            now = _listed(live)
            changed = sorted(n for n in now.keys() | before.keys() if now.get(n) != before.get(n))
            if not changed:
                break
            log.info("%s: %d documents were changed meanwhile", index.name, len(changed))
            held = _listed(copy)
            copy.delete([node for name in changed for node in held.get(name, ())])
            copy.take(live, [node for name in changed for node in now.get(name, ())])
            before = now
        copy.replace(live)
    except BaseException:
        copy.drop()
        raise
    finally:
        index.nodes = live
    return done


def _listed(nodes: StoredNodes) -> Nodes:
    found = grouped(nodes.every(()))
    return {name: tuple(sorted(ids)) for name, ids in found.items()}
