"""A pipeline's steps, judging by one version throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from llama_index.core.schema import TransformComponent

from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.transform import SchemaTransform

__all__ = ["Steps"]


@dataclass(frozen=True)
class Steps:
    """The steps of a pipeline.

    Attributes:
        first: the SchemaTransforms at the beginning, which judge whole documents.
        rest: what follows.
    """

    first: list[TransformComponent]
    rest: list[TransformComponent]

    @classmethod
    def of(cls, steps: Sequence[TransformComponent], in_force: InForce) -> Steps:
        subject = in_force.validator.subject
        pinned: list[TransformComponent] = [
            t.pinned_to(in_force) if isinstance(t, SchemaTransform) and t.subject == subject else t
            for t in steps
        ]
        first = list(takewhile(lambda step: isinstance(step, SchemaTransform), pinned))
        return cls(first, pinned[len(first) :])

    @property
    def judge_whole_documents(self) -> bool:
        """Whether a document's verdict is known before the first parser runs."""
        return bool(self.first) and not any(isinstance(s, SchemaTransform) for s in self.rest)
