"""Examples of rows that were set aside, for the pages of a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord

__all__ = ["QuarantineParts", "Sample", "samples_of"]

_LONGEST = 600
_MOST_REASONS = 20


@dataclass(frozen=True)
class QuarantineParts:
    """The parts of a quarantine that one run wrote: those whose names begin with ``parts``."""

    quarantine: Quarantine
    parts: tuple[str, ...]

    def records(self) -> Iterator[QuarantinedRecord]:
        for path in self.quarantine.parts():
            if path.stem.startswith(self.parts):
                yield from self.quarantine.read(path)


@dataclass(frozen=True)
class Sample:
    """An invalid row. ``data`` is its JSON text; None where data is not to be shown."""

    where: str
    messages: tuple[str, ...]
    data: str | None


def samples_of(
    aside: QuarantineParts | None, reasons: Iterable[str], each: int, *, show_values: bool
) -> dict[str, list[Sample]]:
    """Samples by reason, for the first reasons given; reads no further than it has to.

    Args:
        reasons: the most frequent first.
        each: the most samples for one reason.
    """
    found: dict[str, list[Sample]] = {reason: [] for reason in list(reasons)[:_MOST_REASONS]}
    missing = each * len(found)
    for record in aside.records() if aside is not None and missing else ():
        for reason in record.reasons:
            if reason in found and len(found[reason]) < each:
                found[reason].append(_sample(record, reason, show_values=show_values))
                missing -= 1
        if not missing:
            break
    return {reason: samples for reason, samples in found.items() if samples}


def _sample(record: QuarantinedRecord, reason: str, *, show_values: bool) -> Sample:
    where = f"{record.source} #{record.position}" if record.source else record.record_id
    messages = tuple(str(error) for error in record.errors if error.reason == reason)
    text = record.text if len(record.text) <= _LONGEST else f"{record.text[:_LONGEST]} …"
    return Sample(where, messages[:3], text if show_values else None)
