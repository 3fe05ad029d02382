"""The catalogue of uses of schemas: prompts, data sets, indexes, benchmarks."""

from llm_integrations.core.catalogue.catalogue import Catalogue
from llm_integrations.core.catalogue.usage import Usage, UsageKind

__all__ = ["Catalogue", "Usage", "UsageKind"]
