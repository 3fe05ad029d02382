"""Finding the prompts of a chain, and every schema that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable

from llm_integrations.core.binding import DOCUMENT, INPUT, OUTPUT, TOOL
from llm_integrations.langchain.validator import SchemaValidator

__all__ = ["FoundPrompt", "prompts_in", "references_in"]

_REFERENCES: Final = (INPUT, OUTPUT, TOOL, DOCUMENT)
# Where LangChain's own runnables keep the ones that they run.
_CHILDREN: Final = (
    "steps",
    "steps__",
    "bound",
    "runnable",
    "fallbacks",
    "mapper",
    "runnables",
    "default",
    "branches",
    "tools",
)


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """A prompt of a chain, with the metadata that is in force for it."""

    name: str
    prompt: BasePromptTemplate[Any] = field(repr=False)
    metadata: Mapping[str, Any]


def prompts_in(chain: Any) -> list[FoundPrompt]:
    """The prompts of a chain, in order; each has a name that is unique there."""
    found: list[FoundPrompt] = []
    for node, metadata in _walk(chain, {}):
        if isinstance(node, BasePromptTemplate):
            name = getattr(node, "name", None) or f"prompt-{len(found) + 1}"
            if any(other.name == name for other in found):
                name = f"{name}-{len(found) + 1}"
            found.append(FoundPrompt(name, node, {**metadata, **(node.metadata or {})}))
    return found


def references_in(chain: Any) -> set[str]:
    """Every schema that the metadata and validators of a chain name."""
    named: set[str] = set()
    for node, metadata in _walk(chain, {}):
        own = {**metadata, **(getattr(node, "metadata", None) or {})}
        named |= {own[key] for key in _REFERENCES if isinstance(own.get(key), str)}
        if isinstance(node, SchemaValidator):
            named.add(str(node.schema_ref))
    return named


def _walk(node: Any, metadata: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Every runnable, with the metadata that reaches it from around it."""
    yield node, metadata
    config = getattr(node, "config", None)
    inner = config.get("metadata", {}) if isinstance(config, Mapping) else {}
    for name in _CHILDREN:
        for child in _runnables(getattr(node, name, None)):
            yield from _walk(child, {**metadata, **inner})


def _runnables(value: Any) -> Iterator[Any]:
    if isinstance(value, Runnable):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _runnables(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _runnables(item)
