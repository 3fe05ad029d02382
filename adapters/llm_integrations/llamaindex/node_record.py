"""A node as a quarantine keeps it: whole, with what docstores leave out, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llama_index.core.constants import DATA_KEY, TYPE_KEY
from llama_index.core.schema import BaseNode, Document, IndexNode, NodeRelationship
from llama_index.core.storage.docstore.utils import json_to_doc

__all__ = [
    "DOCUMENT",
    "HASH",
    "MEDIA",
    "StandIn",
    "has_lost_media",
    "names_in",
    "read_node",
    "record_of",
    "write_node",
]

DOCUMENT: Final = "document"
HASH: Final = "hash"
"""The two keys of a quarantined record: the node whole, and its hash when it was set aside."""

MEDIA: Final = ("text_resource", "image_resource", "audio_resource", "video_resource")
_VALUE: Final = "__value__"


class StandIn(Document):
    """The metadata of a document whose text is nowhere to be had."""


def record_of(node: BaseNode) -> dict[str, Any]:
    """What a quarantine takes as the whole of a node."""
    return {DOCUMENT: write_node(node), HASH: node.hash}


def write_node(node: BaseNode) -> dict[str, Any]:
    """The node as a docstore keeps it, and with its images, sounds and objects besides."""
    target = node.obj if isinstance(node, IndexNode) else None
    bare = node if target is None else node.model_copy(update={"obj": None})
    data = bare.to_dict()
    for name in MEDIA:
        resource = getattr(node, name, None)
        if resource is not None and isinstance(data.get(name), dict):
            data[name]["data"] = resource.data
            data[name]["url"] = None if resource.url is None else str(resource.url)
    if target is not None:
        is_node = isinstance(target, BaseNode)
        data["obj"] = write_node(target) if is_node else {_VALUE: target}
    return {DATA_KEY: data, TYPE_KEY: node.get_type()}


def read_node(written: Mapping[str, Any]) -> BaseNode:
    """The node that was written."""
    data = written[DATA_KEY]
    target = data.get("obj")
    if target is None:
        return json_to_doc(dict(written))
    node = json_to_doc({**written, DATA_KEY: {**data, "obj": None}})
    if isinstance(target, dict) and DATA_KEY in target:
        target = read_node(target)
    elif isinstance(target, dict) and _VALUE in target:
        target = target[_VALUE]
    return node.model_copy(update={"obj": target})


def names_in(written: Mapping[str, Any]) -> tuple[str, str | None]:
    """The id of a written node, and its document's if it is a part of one."""
    data = written[DATA_KEY]
    source = (data.get("relationships") or {}).get(NodeRelationship.SOURCE.value)
    return str(data["id_"]), str(source["node_id"]) if source else None


def has_lost_media(node: BaseNode, stored_hash: str | None) -> bool:
    """Whether a docstore's copy lacks content: of images or sounds, which docstores do not keep.

    Args:
        stored_hash: that of the node as it came in.
    """
    if isinstance(node, StandIn):
        return True
    resources = [r for name in MEDIA if (r := getattr(node, name, None)) is not None]
    if not all(resource.hash for resource in resources):
        return True
    has_media = any(getattr(node, name, None) is not None for name in MEDIA[1:])
    return has_media and stored_hash is not None and node.hash != stored_hash
