"""Violations as the JSON text that reports and quarantines keep; each is put into text once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from llm_integrations.core.arrow.run.verdict_counts import Reason
from llm_integrations.core.validation.report import Violation

__all__ = ["ReasonTexts"]

K = TypeVar("K")
V = TypeVar("V")

_KEPT: Final = 4096


class ReasonTexts:
    """Of one schema. What was written lately is remembered."""

    def __init__(self) -> None:
        self._texts: dict[Violation, tuple[str, Reason]] = {}
        self._reasons: dict[str, tuple[Reason, ...]] = {}

    def text(self, found: Sequence[Violation]) -> str:
        """A list of [path, message, keyword, schema path] for what is wrong with one row."""
        worded = [self._worded(violation) for violation in found]
        text = f"[{', '.join([text for text, _ in worded])}]"
        if text not in self._reasons:
            _keep(self._reasons, text, tuple(dict.fromkeys(reason for _, reason in worded)))
        return text

    def counted(self, texts: Mapping[str, int]) -> Counter[Reason]:
        """How many rows had which reason, given how many had which text."""
        counts: Counter[Reason] = Counter()
        for text, rows in texts.items():
            for reason in self._reasons.get(text) or _reasons_in(text):
                counts[reason] += rows
        return counts

    def _worded(self, violation: Violation) -> tuple[str, Reason]:
        known = self._texts.get(violation)
        if known is None:
            v = violation
            text = json.dumps([v.path, v.message, v.keyword, v.schema_path])
            known = text, Reason.of(v)
            _keep(self._texts, violation, known)
        return known


def _reasons_in(text: str) -> Iterable[Reason]:
    return dict.fromkeys(Reason.of(Violation(*parts)) for parts in json.loads(text))


def _keep(known: dict[K, V], key: K, value: V) -> None:
    if len(known) < _KEPT:
        known[key] = value
