"""The quarantine of invalid records with their reasons: one format and class for all stages."""

from llm_integrations.core.quarantine.columns import RecordColumns, rows_of
from llm_integrations.core.quarantine.record import QuarantinedRecord, record_id_of
from llm_integrations.core.quarantine.store import Quarantine, ReleaseResult, takes

__all__ = [
    "Quarantine",
    "QuarantinedRecord",
    "RecordColumns",
    "ReleaseResult",
    "record_id_of",
    "rows_of",
    "takes",
]
