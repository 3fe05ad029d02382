"""Changes of registries that send no events, noticed all the same."""

from llm_integrations.core.events.sources.base import EventSource

__all__ = ["EventSource"]
