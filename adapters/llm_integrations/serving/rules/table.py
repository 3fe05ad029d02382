"""The rules by path, so that a path without rules costs one look-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_integrations.core.registry import Registry
from llm_integrations.serving.config.file import MiddlewareConfig
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.rules.rule import MakeJudge, Rule
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["RuleTable"]


class RuleTable:
    """Each rule with its planner, once per path; the first that matches a request is its rule."""

    def __init__(self, config: MiddlewareConfig, registry: Registry, judging: MakeJudge) -> None:
        self._default_model = config.default_model
        self.by_path: dict[str, tuple[Planner, ...]] = {}
        for number, rule in enumerate(config.rules, start=1):
            for path in rule.paths:
                made = Planner(Rule.of(rule, number, path, judging), registry)
                self.by_path[path] = (*self.by_path.get(path, ()), made)

    def match(self, planners: Sequence[Planner], request: Any) -> Planner | None:
        """The first rule that takes the request's model."""
        model = as_dict(request).get("model") or self._default_model
        named = model if isinstance(model, str) else None
        for planner in planners:
            models = planner.rule.models
            # Nobody knows what the server will take for no model, so every rule applies to it:
            # leaving it out must not be a way round one.
            if models is None or named is None or models.match(named):
                return planner
        return None

    def rules(self) -> list[Rule]:
        """Each rule once."""
        planners = (planner for planners in self.by_path.values() for planner in planners)
        return list({planner.rule.name: planner.rule for planner in planners}.values())

    def references(self) -> list[str]:
        """Every schema that a rule names, once."""
        return list(dict.fromkeys(r for rule in self.rules() for r in rule.references()))
