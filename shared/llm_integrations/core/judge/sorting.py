"""Many pieces with their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from llm_integrations.core.judge.verdict import Verdict
from llm_integrations.core.quarantine import QuarantinedRecord
from llm_integrations.core.validation.report import ValidationReport

__all__ = ["Condemned", "Sorted", "T"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Condemned(Generic[T]):
    """An invalid piece.

    Attributes:
        number: its place among those that were sorted, from 0.
        piece: all of it.
        judged: what of it was judged.
        report: why it is invalid.
    """

    number: int
    piece: T
    judged: Any
    report: ValidationReport


@dataclass(frozen=True, slots=True)
class Sorted(Generic[T]):
    """Pieces in the order in which they came, each with the verdict on it."""

    pieces: Sequence[T]
    judged: Sequence[Any]
    verdicts: Sequence[Verdict]

    @property
    def valid(self) -> list[T]:
        """What is not invalid: valid, or not judged."""
        return [piece for piece, verdict in zip(self.pieces, self.verdicts, strict=True) if verdict]

    @property
    def condemned(self) -> list[Condemned[T]]:
        """What is invalid."""
        return [
            Condemned(number, self.pieces[number], self.judged[number], verdict.report)
            for number, verdict in enumerate(self.verdicts)
            if verdict.report is not None
        ]

    def records(
        self,
        *,
        source: str = "",
        whole: Callable[[T], Any] | None = None,
        position: Callable[[T], int | str] | None = None,
    ) -> list[QuarantinedRecord]:
        """What is invalid, as a quarantine takes it.

        Args:
            source: where the pieces come from.
            whole: what is given back for a piece when it is released; None for what was judged.
            position: which one of its source a piece is; None for its number here.
        """
        return [
            QuarantinedRecord.of(
                one.judged,
                one.report,
                source=source,
                position=one.number if position is None else position(one.piece),
                **({} if whole is None else {"whole": whole(one.piece)}),
            )
            for one in self.condemned
        ]
