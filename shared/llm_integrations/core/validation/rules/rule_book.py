"""The rules of one schema: which of them are judged, and the warnings about the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from llm_integrations.core.errors import InvalidSchema, MissingExtra
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.validation.report import Violation
from llm_integrations.core.validation.rules.condition import Condition, compile_condition
from llm_integrations.core.validation.rules.engine import Failure

__all__ = ["MAX_RULES", "Findings", "RuleBook", "rule_book"]

MAX_RULES: Final = 256
"""Rules of one schema that are judged."""

_LONGEST: Final = 200  # characters of a rule's name or description in a message
_KEPT: Final = 1_024
_FAIL: Final = "ERROR"
_IGNORE: Final = "NONE"


@dataclass(frozen=True, slots=True)
class Findings:
    """Attributes: the violations, and what a rule found that its owner wants ignored."""

    violations: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _JudgedRule:
    rule: Rule
    guard: Condition | None
    condition: Condition
    is_ignored: bool

    def verdict(self, data: Any) -> bool | Failure:
        if self.guard is not None:
            applies = self.guard.verdict(data)
            if applies is not True:
                # Where it cannot be told, the rule is taken to apply and to fail.
                return True if applies is False else applies
        return self.condition.verdict(data)

    @property
    def fields(self) -> frozenset[str] | None:
        if self.guard is None:
            return self.condition.fields
        if self.guard.fields is None or self.condition.fields is None:
            return None
        return self.guard.fields | self.condition.fields


@dataclass(frozen=True)
class RuleBook:
    """The rules that stand beside one schema.

    Attributes:
        judged: those that data is judged by.
        warnings: for each other one that it is not judged, and why.
    """

    judged: tuple[_JudgedRule, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.rule.name for one in self.judged)

    @property
    def fields(self) -> frozenset[str] | None:
        """Which of an object's properties the rules look at; None for all."""
        found: frozenset[str] = frozenset()
        for one in self.judged:
            if one.fields is None:
                return None
            found |= one.fields
        return found

    def accepts(self, data: Any) -> bool:
        """Whether every rule that counts holds of data that the schema accepted."""
        return all(one.is_ignored or one.verdict(data) is True for one in self.judged)

    def findings(self, data: Any, *, show_values: bool = False) -> Findings:
        """What the rules say about data that the schema accepted."""
        violations, warnings = [], []
        for one in self.judged:
            verdict = one.verdict(data)
            if verdict is True:
                continue
            violation = _violation(one.rule, verdict, show_values)
            if one.is_ignored:
                warnings.append(f"{violation.message}, which its onFailure ({_IGNORE}) lets pass")
            else:
                violations.append(violation)
        return Findings(tuple(violations), tuple(warnings))


def rule_book(rules: Sequence[Rule], *, require: bool = False) -> RuleBook:
    """Sort rules into those that can be judged and the others.

    Args:
        require: whether one that is not judged is an error.

    Raises:
        InvalidSchema: one is not judged, and that is an error; the message names each.
    """
    book = _sorted(tuple(rules))
    if require and book.warnings:
        raise InvalidSchema("; ".join(book.warnings) + ' (ValidationOptions.rules is "require")')
    return book


@lru_cache(maxsize=_KEPT)
def _sorted(rules: tuple[Rule, ...]) -> RuleBook:
    judged: list[_JudgedRule] = []
    warnings: list[str] = []
    for rule in rules[:MAX_RULES]:
        try:
            judged.append(_compiled(rule))
        except (ValueError, MissingExtra) as error:
            warnings.append(f"rule {_name(rule)!r} is not judged: {error}")
        else:
            warnings += _actions_left_out(rule)
    if len(rules) > MAX_RULES:
        warnings.append(f"{len(rules) - MAX_RULES} rules are not judged: there are too many")
    return RuleBook(tuple(judged), tuple(warnings))


def _compiled(rule: Rule) -> _JudgedRule:
    """Raises ValueError with the reason why it cannot be judged by, and MissingExtra."""
    if rule.kind == "UNREADABLE":
        raise ValueError("it cannot be read")
    if rule.disabled:
        raise ValueError("it is disabled")
    if rule.group != "domainRules" or rule.kind != "CONDITION":
        raise ValueError(f"it is of kind {rule.kind[:40]} in {rule.group}")
    if rule.type != "CEL":
        raise ValueError(f"it is of type {rule.type[:40] or 'none'}, not CEL")
    # As Confluent's clients: before the first semicolon stands to which data the rule applies.
    guard, has_guard, condition = rule.expression.partition(";")
    if not has_guard:
        guard, condition = "", guard
    return _JudgedRule(
        rule,
        compile_condition(guard) if guard.strip() else None,
        compile_condition(condition),
        is_ignored=_actions(rule.on_failure) == {_IGNORE},
    )


def _actions(text: str) -> set[str]:
    return {action.strip().upper() for action in text.split(",")} - {""}


def _actions_left_out(rule: Rule) -> Iterator[str]:
    known = {_FAIL, _IGNORE}
    for when, actions in (("onFailure", rule.on_failure), ("onSuccess", rule.on_success)):
        for action in sorted(_actions(actions) - known):
            what = f"its {when} ({action[:40]}) is not carried out"
            yield f"rule {_name(rule)!r} is judged, but {what}"


def _name(rule: Rule) -> str:
    return _shortened(rule.name)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _violation(rule: Rule, verdict: bool | Failure, show_values: bool) -> Violation:
    name = _name(rule)
    told = f"does not satisfy the rule {name!r}"
    if isinstance(verdict, Failure):
        detail = f" ({verdict.detail[:120]})" if show_values and verdict.detail else ""
        told = f"{told}: {verdict.text}{detail}"
    elif rule.doc:
        told = f"{told}: {_shortened(rule.doc)}"
    return Violation("", told, f"rule:{name}", f"/ruleSet/{rule.group}/{name}")
