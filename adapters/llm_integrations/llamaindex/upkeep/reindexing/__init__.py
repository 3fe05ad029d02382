"""One run over documents of an index, by one version: judged, stamped or embedded, then replaced.

Nothing leaves the index before what takes its place is there, and a document that fails takes no
other with it. ``run`` goes through the documents, ``batch`` judges some of them and sends them on
to ``in_place`` or ``anew``, and ``tally`` has what becomes of each.
"""

from __future__ import annotations

from llm_integrations.llamaindex.upkeep.reindexing.context import Vectors
from llm_integrations.llamaindex.upkeep.reindexing.run import Reindexing

__all__ = ["Reindexing", "Vectors"]
