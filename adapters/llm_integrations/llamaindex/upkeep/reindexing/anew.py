"""Texts embedded anew, and nodes replaced: new ones are written before old ones are deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import run_transformations
from llama_index.core.schema import BaseNode

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.llamaindex.stores import StoredNodes
from llm_integrations.llamaindex.upkeep.node_ids import by_document, name_nodes
from llm_integrations.llamaindex.upkeep.reindexing.context import Context

__all__ = ["embed", "replace"]


def embed(context: Context, part: Sequence[BaseNode], given: Mapping[str, BaseNode]) -> None:
    """Put documents through the pipeline's other steps, and what comes of them into the index.

    Args:
        part: as the schemas let them through.
        given: by id, as they are known.
    """
    steps = context.steps
    copies = [node.model_copy(deep=True) for node in part]
    groups = by_document(run_transformations(copies, steps.rest))
    name_nodes(groups, context.in_force.fingerprint)
    wanted = all if any(isinstance(step, BaseEmbedding) for step in steps.rest[-1:]) else any
    if not all(wanted(node.embedding for node in nodes) for nodes in groups.values()):
        raise ConfigurationError("the pipeline gave its nodes no embedding")
    documents = [given[node.id_] for node in part]
    filled = [document for document in documents if document.id_ in groups]
    empty = [document for document in documents if document.id_ not in groups]
    replace(context, filled, groups, "reindexed")
    if empty:  # valid, and without a text, where whole documents are judged
        replace(context, empty, groups, "reindexed" if steps.judge_whole_documents else "set_aside")


def replace(
    context: Context,
    documents: Sequence[BaseNode],
    groups: Mapping[str, Sequence[BaseNode]],
    outcome: str,
) -> None:
    """Write the new nodes, then delete the old ones: by id, and all of a batch at once."""
    nodes, vectors, live = context.index.nodes, context.vectors, context.live(documents)
    if not nodes.lists_everything:
        nodes.delete_documents([d.id_ for d in live if not vectors.get(d.id_)])
    new = {d.id_: [n for n in groups.get(d.id_, ()) if n.embedding is not None] for d in live}
    _write(nodes, [node for part in new.values() for node in part], live)
    done = context.live(live)
    overtaken = {document.id_ for document in live} - {document.id_ for document in done}
    written = {node.id_ for name in new.keys() - overtaken for node in new[name]}
    old = {node for document in done for node in vectors.get(document.id_, ())}
    late = {node.id_ for name in overtaken for node in new[name]}
    if nodes.deletes_by_id:
        nodes.delete(sorted((old | late) - written))
    there = (d.id_ for d in done if outcome == "set_aside" or new[d.id_] or vectors.get(d.id_))
    context.tally.put(there, outcome)
    context.keep(done)


def _write(nodes: StoredNodes, new: Sequence[BaseNode], documents: Sequence[BaseNode]) -> None:
    if not nodes.deletes_by_id:  # its only way to delete would take the new ones too
        nodes.delete_documents([document.id_ for document in documents])
    if new:
        nodes.write(new)
