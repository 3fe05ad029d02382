"""New stamps, and migrated metadata, where a text is the one that was embedded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_index.core.schema import BaseNode

from llm_integrations.core.observability import get_logger
from llm_integrations.core.stamp import VALID, stamp_keys_of, stamps_of
from llm_integrations.llamaindex.parts import parts
from llm_integrations.llamaindex.stores.query import GONE, Changes
from llm_integrations.llamaindex.upkeep.migration import changed_metadata
from llm_integrations.llamaindex.upkeep.reindexing.context import Context

__all__ = ["stamp_in_place"]

log = get_logger(__name__)

_NODES: Final = 1000
"""Nodes that are stamped in one request."""


def stamp_in_place(
    context: Context,
    documents: Sequence[BaseNode],
    stamped: Mapping[str, BaseNode],
    forms: Mapping[str, BaseNode],
) -> None:
    """Those that can be; the others are left to be embedded.

    Args:
        documents: as they are known.
        stamped: by id, as the schemas let them through.
        forms: by id, with migrated metadata.
    """
    vectors, nodes = context.vectors, context.index.nodes
    able = context.live(d for d in documents if vectors.get(d.id_) and _is_same(context, d))
    changes: dict[str, Changes] = {}
    for document in able:
        after = forms[document.id_].metadata
        change = changed_metadata(document.metadata, after, GONE)
        change.update(_stamps_on(stamped[document.id_]))
        changes.update(dict.fromkeys(vectors[document.id_], change))
    if not changes:
        return
    changed: set[str] = set()
    for part in parts(list(changes), _NODES):
        changed |= nodes.stamp({node: changes[node] for node in part})
    done = [d for d in able if changed.issuperset(vectors[d.id_])]
    if len(done) < len(able):
        log.info("%s: its store cannot stamp in place; texts are embedded", context.index.name)
    context.tally.put((document.id_ for document in done), "in_place")
    context.keep(done)


def _is_same(context: Context, document: BaseNode) -> bool:
    """Whether a document is what the docstore knows: its own copy is."""
    return not context.whole or document.hash == context.hashes.get(document.id_)


def _stamps_on(node: BaseNode) -> dict[str, Any]:
    """A node's stamps, and GONE for what an older one may have said besides."""
    old = {VALID + stamp.suffix: GONE for stamp in stamps_of(node.metadata)}
    ours = stamp_keys_of(node.metadata)
    return {**old, **{key: node.metadata[key] for key in ours if key in node.metadata}}
