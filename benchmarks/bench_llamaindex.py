"""LlamaIndex: a transform beside one that only copies, a postprocessor beside one that returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, Document, NodeWithScore, TransformComponent

from benchmarks.harness import Row, Section, median_seconds
from llm_integrations.core.registry import Registry, connect
from llm_integrations.llamaindex import SchemaPostprocessor, SchemaTransform

COUNT = 500
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "author": {"type": "string"},
        "year": {"type": "integer", "minimum": 1900},
        "language": {"enum": ["en", "de", "fr"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "url": {"type": "string", "pattern": "^https?://"},
    },
    "required": ["title", "author", "year", "url"],
    "additionalProperties": False,
}


class CopyOnly(TransformComponent):
    """The least that a transform does that leaves its input alone."""

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        return [node.model_copy(deep=True) for node in nodes]


class PassThrough(BaseNodePostprocessor):
    """A postprocessor that does nothing."""

    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: Any = None) -> Any:
        return nodes


def documents() -> list[Document]:
    return [
        Document(
            text=f"document {number} " * 100,
            metadata={
                "title": f"Document {number}",
                "author": "Ada",
                "year": 1990 + number % 30,
                "language": "en",
                "tags": ["a", "b", "c"],
                "url": f"https://example.org/{number}",
            },
        )
        for number in range(COUNT)
    ]


def run() -> list[Section]:
    section = Section(
        "LlamaIndex",
        f"{COUNT} documents with six metadata fields. The transform judges, counts and stamps; its "
        "peer is a transform that only makes the deep copy. The postprocessor judges, counts and "
        "looks for stale stamps; its peer returns the nodes as they are.",
    )
    with connect("memory://") as registry:
        registry.register("doc-meta", SCHEMA)
        given = documents()
        _transform(section, registry, given)
        _postprocessor(section, registry, given)
    return [section]


def _transform(section: Section, registry: Registry, given: list[Document]) -> None:
    held, bare = SchemaTransform(schema="doc-meta", registry=registry), CopyOnly()
    ours = median_seconds(lambda: held(given), number=3) / COUNT * 1e6
    peer = median_seconds(lambda: bare(given), number=3) / COUNT * 1e6
    ratio = ours / peer
    section.add(
        Row(
            "SchemaTransform, per document",
            f"{ours:.1f} µs",
            f"{peer:.1f} µs (copies only)",
            f"{ratio:.2f}",
            "≤ 2",
            ratio <= 2,
        )
    )


def _postprocessor(section: Section, registry: Registry, given: list[Document]) -> None:
    stamped = SchemaTransform(schema="doc-meta", registry=registry)(given)
    nodes = [NodeWithScore(node=node, score=0.5) for node in stamped]
    for what, judge in (
        ("by the stamp", SchemaPostprocessor(registry=registry)),
        ("by a given schema", SchemaPostprocessor(schema="doc-meta", registry=registry)),
    ):
        ours = _per_node(judge, nodes)
        peer = _per_node(PassThrough(), nodes)
        section.add(
            Row(
                f"SchemaPostprocessor {what}, per node",
                f"{ours:.2f} µs",
                f"{peer:.2f} µs (does nothing)",
                "",
                "≤ 5 µs",
                ours <= 5,
            )
        )


def _per_node(judge: BaseNodePostprocessor, nodes: list[NodeWithScore]) -> float:
    return median_seconds(lambda: judge.postprocess_nodes(nodes), number=10) / COUNT * 1e6
