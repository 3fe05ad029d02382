"""The schemas of models and retrievers that run now: ``on_*_end`` carries no metadata."""

from __future__ import annotations

from uuid import UUID

__all__ = ["Runs"]


class Runs:
    """References by run id. Dict operations are atomic; a lock would break copies of chains."""

    def __init__(self) -> None:
        self._started: dict[UUID, str] = {}
        self._expected: dict[UUID, str] = {}

    def start(self, run_id: UUID, reference: str) -> None:
        self._started[run_id] = reference

    def end(self, run_id: UUID) -> str | None:
        return self._started.pop(run_id, None)

    def expect_output(self, parent: UUID, reference: str) -> None:
        """Note the schema, named by a prompt, of the model's answer: a run with the same parent."""
        self._expected[parent] = reference

    def expected_output(self, parent: UUID | None) -> str | None:
        return None if parent is None else self._expected.get(parent)

    def forget(self, parent: UUID) -> None:
        self._expected.pop(parent, None)

    def __len__(self) -> int:
        return len(self._started) + len(self._expected)
