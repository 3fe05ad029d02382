"""What a listing left out, named once and not at every look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llm_integrations.core.errors import (
    InvalidReference,
    LLMIntegrationsError,
    RegistryProtocolError,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.observability import get_logger

__all__ = ["NamedOnce", "latest_of_listed"]

_log = get_logger(__name__)


def latest_of_listed(subject: str) -> SchemaRef:
    """The latest of a subject that a registry lists, under a name that it chose.

    Raises:
        RegistryProtocolError: no reference can name it.
    """
    try:
        return SchemaRef(subject)
    except InvalidReference as error:
        raise RegistryProtocolError(f"it cannot be asked for: {error}") from None


class NamedOnce:
    """Logs why a subject is left out; again when the reason is another, or it was well between."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def follow(self, well: Iterable[str], left_out: Mapping[str, LLMIntegrationsError]) -> None:
        """``well``: subjects of which nothing is left out any more."""
        if self._reasons:
            for subject in well:
                self._reasons.pop(subject, None)
        for subject, error in left_out.items():
            reason = str(error)
            if self._reasons.get(subject) != reason:
                self._reasons[subject] = reason
                extra = {"llmi_subject": subject}
                _log.warning(
                    "%r is left out until it can be read: %s", subject, reason, extra=extra
                )
