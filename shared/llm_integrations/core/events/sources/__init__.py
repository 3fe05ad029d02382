"""Sources: events made by observing registries that send none."""

from llm_integrations.core.events.sources.base import EventSource
from llm_integrations.core.events.sources.confluent_topic import ConfluentTopicSource
from llm_integrations.core.events.sources.file_watch import FileWatchSource
from llm_integrations.core.events.sources.poll import PollSource

__all__ = ["ConfluentTopicSource", "EventSource", "FileWatchSource", "PollSource"]
