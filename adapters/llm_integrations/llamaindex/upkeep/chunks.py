"""The chunks that a pipeline would make of documents, without a model being asked."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.extractors import BaseExtractor
from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, MetadataMode, TransformComponent
from llama_index.core.utils import get_tokenizer

from llm_integrations.llamaindex.transform import SchemaTransform

__all__ = ["chunks_of", "tokens_in", "unforeseen_steps"]


def chunks_of(documents: Sequence[BaseNode], steps: Sequence[TransformComponent]) -> list[BaseNode]:
    """What parsers and schemas leave of documents; steps of other kinds are passed over."""
    nodes = [document.model_copy(deep=True) for document in documents]
    for step in steps:
        if isinstance(step, SchemaTransform):
            nodes = [node for node in nodes if step.would_pass(node)]
        elif _only_parses(step):
            nodes = list(step(nodes))
    return nodes


def tokens_in(nodes: Sequence[BaseNode]) -> int:
    """By LlamaIndex's tokenizer, in what would be embedded."""
    count = get_tokenizer()
    return sum(len(count(node.get_content(MetadataMode.EMBED))) for node in nodes)


def unforeseen_steps(steps: Sequence[TransformComponent]) -> tuple[str, ...]:
    """The kinds of steps after which the number of chunks cannot be foretold."""
    foreseen = (SchemaTransform, BaseExtractor, BaseEmbedding)
    others = [s for s in steps if not (isinstance(s, foreseen) or _only_parses(s))]
    return tuple(type(step).__name__ for step in others)


def _only_parses(step: TransformComponent) -> bool:
    """Whether a step cuts texts by itself; some parsers ask a model where."""
    if not isinstance(step, NodeParser):
        return False
    asks = ("embed_model", "llm")
    return not any(getattr(step, name, None) is not None for name in asks)
