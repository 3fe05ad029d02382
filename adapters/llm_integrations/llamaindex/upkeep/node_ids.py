"""Ids of nodes that follow from their document, so that replicas, and repeats, write the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID, uuid5

from llama_index.core.schema import BaseNode, IndexNode, RelatedNodeInfo

__all__ = ["by_document", "name_nodes"]

_NAMESPACE: Final = UUID("8b6f3c0e-9d53-4c3b-9a2e-6f1d2c7b5a40")
_RANDOM: Final = 4


def by_document(nodes: Sequence[BaseNode]) -> dict[str, list[BaseNode]]:
    """Nodes by the id of the document that they come from, however many parsers lie between."""
    sources = {node.id_: node.ref_doc_id for node in nodes}
    found: dict[str, list[BaseNode]] = {}
    for node in nodes:
        root, seen = node.ref_doc_id or node.id_, {node.id_}
        while sources.get(root) and root not in seen:
            seen.add(root)
            root = sources[root] or root
        found.setdefault(root, []).append(node)
    return found


def name_nodes(documents: Mapping[str, Sequence[BaseNode]], fingerprint: str) -> None:
    """Give nodes whose ids are random others: of the document, the schema and their number.

    References among the nodes follow. Ids that somebody chose stay as they are.
    """
    names: dict[str, str] = {}
    for document, nodes in documents.items():
        number = 0
        for node in nodes:
            if node.id_ != document and _is_random(node.id_):
                number += 1
                told = f"{fingerprint}:{number}:{document}"
                names[node.id_] = str(uuid5(_NAMESPACE, told))
    for node in (node for nodes in documents.values() for node in nodes):
        _rename(node, names)


def _rename(node: BaseNode, names: Mapping[str, str]) -> None:
    node.id_ = names.get(node.id_, node.id_)
    if isinstance(node, IndexNode):
        node.index_id = names.get(node.index_id, node.index_id)
    for kind, related in node.relationships.items():
        several = related if isinstance(related, list) else [related]
        if any(one.node_id in names for one in several):
            renamed = [_renamed(one, names) for one in several]
            node.relationships[kind] = renamed if isinstance(related, list) else renamed[0]


def _renamed(related: RelatedNodeInfo, names: Mapping[str, str]) -> RelatedNodeInfo:
    return related.model_copy(update={"node_id": names.get(related.node_id, related.node_id)})


def _is_random(name: str) -> bool:
    try:
        return UUID(name).version == _RANDOM
    except ValueError:
        return False
