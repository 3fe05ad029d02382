"""How single values are brought under a new schema: which conversion, which spelling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from llm_integrations.core.evolution.differences.renames import bare_name
from llm_integrations.core.evolution.guide.conversions import CONVERSIONS
from llm_integrations.core.evolution.guide.migrate_plan import Plan
from llm_integrations.core.evolution.guide.migrate_run import run_plan
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.patterns.languages import TextConstraints
from llm_integrations.core.evolution.proof.constraints import ALL_KINDS, NUMERIC, Constraints
from llm_integrations.core.evolution.proof.prover import Prover

__all__ = ["ValuePlans"]

_DEEPEST_UNION: Final = 3
_NULL: Final = frozenset({"null"})
_STRING: Final = frozenset({"string"})
_BOOLEAN: Final = frozenset({"boolean"})


class ValuePlans:
    """Says what can be done to single values; nothing here loses any of them."""

    def __init__(self, prover: Prover) -> None:
        self._prover = prover
        self._children = prover.children

    def kinds(self, constraints: Constraints, levels: int = _DEEPEST_UNION) -> frozenset[str]:
        """The kinds that a value can be, by the branches of its unions too."""
        found = frozenset(constraints.kinds)
        for node in constraints.nodes if levels else ():
            for keyword in ("anyOf", "oneOf"):
                if keyword in node:
                    branches = (self._prover.constraints([branch]) for branch in node[keyword])
                    found &= frozenset().union(*(self.kinds(b, levels - 1) for b in branches))
        return found

    def conversion(self, before: Constraints, after: Constraints) -> str:
        """The kind of plan that converts the values; empty where none does."""
        old, new = self.kinds(before), self.kinds(after)
        if old <= NUMERIC and old - new == {"fraction"} and "string" not in new:
            return "whole"
        if old & new:
            return ""
        if old <= NUMERIC and new - _NULL == _STRING and _free_text(after):
            return "text"
        if old == _STRING and new & NUMERIC:
            return "number" if "fraction" in new else "integer"
        if old == _STRING and new & _BOOLEAN:
            return "boolean"
        return "wrap" if new == {"array"} and self._takes_one(before, after) else ""

    def converts_all(self, kind: str, before: Constraints, after: Constraints) -> bool:
        """Whether a conversion certainly brings all values under the new schema."""
        if kind in ("text", "wrap"):
            return True
        if kind == "whole" and "fraction" in before.kinds:
            return False
        conversion = CONVERSIONS[kind]
        if before.values is not None:
            made = map(conversion.run, before.values)
            return all(self._fits(after.nodes, value) for value in made)
        image: Node = {"type": conversion.types}
        total = kind == "whole" or before.implies_text(TextConstraints((conversion.pattern,)))
        known = before.nodes if kind == "whole" else []
        return total and all(self._prover.proves([*known, image], node) for node in after.nodes)

    def _takes_one(self, before: Constraints, after: Constraints) -> bool:
        nodes = self._children.item_nodes(after, 0)
        fits = all(self._prover.proves(before.nodes, node) for node in nodes)
        return fits and after.count("minItems", 0) <= 1 <= after.count("maxItems", math.inf)

    def spellings(self, before: Constraints, after: Constraints) -> dict[str, str]:
        """Texts that are listed in another spelling now (case, dashes); each with its own."""
        if not before.values or not after.values:
            return {}
        old, new = (
            [v for v in side.values or () if isinstance(v, str)] for side in (before, after)
        )
        known = set(old) & set(new)
        by_bare: dict[str, list[str]] = {}
        for value in new:
            by_bare.setdefault(bare_name(value), []).append(value)
        changed = [value for value in old if value not in known]
        taken = [bare_name(value) for value in old]
        return {
            value: by_bare[bare][0]
            for value in changed
            if (bare := bare_name(value)) in by_bare
            and len(by_bare[bare]) == taken.count(bare) == 1
        }

    def default(
        self, before: Constraints, after: Constraints, name: str, part: Plan | None
    ) -> tuple[Any] | None:
        """What a property is that data lacks, in a tuple of one: what the new schema offers
        itself, what the old one took it for, or null where that is named as a possible value.

        Args:
            part: what is done to the property where it is there.
        """
        nodes = self._children.property_nodes(after, name)
        constraints = self._prover.constraints(nodes)
        found = self.offered(constraints, nodes)
        if found is not None:
            return found
        old = self._children.property_nodes(before, name)
        meant = self.offered(self._prover.constraints(old), old)
        if meant is not None:
            value = run_plan(part, meant[0]) if part is not None else meant[0]
            if self._fits(nodes, value):
                return (value,)
        kinds = self.kinds(constraints)
        is_named = "null" in kinds and kinds != ALL_KINDS
        return (None,) if is_named and self._fits(nodes, None) else None

    def offered(self, constraints: Constraints, nodes: Sequence[Node]) -> tuple[Any] | None:
        """The value that the schema itself offers, in a tuple of one."""
        written = [self._prover.workspace.written(node) for node in constraints.nodes]
        offered = [schema["default"] for schema in written if "default" in schema]
        if constraints.values is not None and len(constraints.values) == 1:
            offered.append(constraints.values[0])
        return next(((value,) for value in offered if self._fits(nodes, value)), None)

    def _fits(self, nodes: Sequence[Node], value: Any) -> bool:
        valid = self._prover.oracle.is_valid
        return all(valid(node, value) is Answer.YES for node in nodes)


def _free_text(constraints: Constraints) -> bool:
    """Whether the digits of any number would do."""
    bound = constraints.count("maxLength", math.inf) < 32 or constraints.count("minLength", 0) > 1
    text = constraints.patterns or constraints.formats
    return not (text or constraints.values or constraints.negated or bound)
