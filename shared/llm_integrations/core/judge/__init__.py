"""The decision that every adapter makes: is this data valid, what to do if not, and count it."""

from llm_integrations.core.judge.judge import Judge
from llm_integrations.core.judge.sorting import Condemned, Sorted
from llm_integrations.core.judge.verdict import OFF, SIDES, Outcome, Side, Verdict

__all__ = ["OFF", "SIDES", "Condemned", "Judge", "Outcome", "Side", "Sorted", "Verdict"]
