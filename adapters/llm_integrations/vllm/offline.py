"""Schemas for vLLM without its server."""

from __future__ import annotations

from typing import Any

from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.vllm.widen import widen

__all__ = ["constraint_for"]


def constraint_for(
    reference: str | SchemaRef, *, registry: Registry | str | None = None
) -> dict[str, Any]:
    """The schema that constrains decoding, of keywords that grammars take.

    ``SamplingParams(structured_outputs=StructuredOutputsParams(json=constraint_for("answer@1")))``
    for ``LLM.generate``. It admits all that the registered one admits, and more: what comes out
    still has to be judged.

    Args:
        reference: of the registered schema.
        registry: a Registry, a URL for ``connect()``, or None for the environment's registry.

    Raises:
        RegistryError: the schema cannot be had, or nothing can be judged by it.
    """
    return widen(resolve_registry(registry).validator(reference).body)
