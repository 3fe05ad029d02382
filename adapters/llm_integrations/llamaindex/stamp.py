"""Reading a node's payload, and stamping a copy of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.schema import BaseNode, MetadataMode

from llm_integrations.core.stamp import ISSUE, Stamp, judged_part, stamp_keys_of, without_stamp

__all__ = ["payload_of", "with_metadata"]


def payload_of(
    node: BaseNode, text_field: str | None, stamp: Stamp | None = None
) -> Mapping[str, Any]:
    """The data to judge: the metadata without our stamp, and the text as ``text_field``.

    Args:
        stamp: one of the node's; what was added behind it is left out.
    """
    given = node.metadata
    metadata = without_stamp(given) if stamp is None else judged_part(given, stamp)
    if text_field is None:
        return metadata
    return {**metadata, text_field: node.get_content(MetadataMode.NONE)}


def with_metadata(node: BaseNode, metadata: Mapping[str, Any], *, deep: bool = True) -> BaseNode:
    """A copy with other metadata; its stamp is kept from embedding models and LLMs.

    A copy, because the pipeline stores the hash of the node that came in after the transforms ran:
    a changed one would never be recognised again.

    Args:
        deep: whether the copy may be changed further without the node changing too.
    """
    ours = stamp_keys_of(metadata) or [ISSUE]
    hidden = {
        name: [*(keys := getattr(node, name)), *(key for key in ours if key not in keys)]
        for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
    }
    return node.model_copy(update={"metadata": dict(metadata), **hidden}, deep=deep)
