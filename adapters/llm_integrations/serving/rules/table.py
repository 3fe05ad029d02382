"""The rules by path, so that a path without rules costs one look-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from llm_integrations.core.registry import Registry
from llm_integrations.serving.config.file import MiddlewareConfig
from llm_integrations.serving.rules.client_schemas import ClientSchemas
from llm_integrations.serving.rules.paths import canonical, shape_for
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.rules.rule import MakeJudge, Rule, is_one_model
from llm_integrations.serving.shapes.failure import Headers
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["RuleTable"]

_OTHERS: Final = ("models", "fallbacks")


class RuleTable:
    """Each rule with its planner, once per shape; the first that matches a request is its rule.

    Attributes:
        by_path: the planners of the paths that rules name without ``*``.
    """

    def __init__(self, config: MiddlewareConfig, registry: Registry, judging: MakeJudge) -> None:
        self._config = config
        self._registry = registry
        self._judging = judging
        self._paths = [Patterns(map(canonical, rule.paths)) for rule in config.rules]
        self._client = ClientSchemas(config.validation.options())
        self._planners: dict[tuple[int, str], Planner] = {}
        self._rules = [Rule.of(r, n, r.paths[0], judging) for n, r in enumerate(config.rules, 1)]
        exact = (path for rule in config.rules for path in rule.paths if "*" not in path)
        self.by_path = {path: self.on(path) for path in exact}

    def on(self, path: str) -> tuple[Planner, ...]:
        """The planners of the rules for a path, however it is spelt; equal ones are the same."""
        name = canonical(path)
        return tuple(
            self._planner(number, path)
            for number, patterns in enumerate(self._paths)
            if patterns.match(name)
        )

    def _planner(self, number: int, path: str) -> Planner:
        config = self._config.rules[number]
        key = number, shape_for(path, config.shape).name
        if key not in self._planners:
            rule = Rule.of(config, number + 1, path, self._judging)
            self._planners[key] = Planner(rule, self._registry, self._client)
        return self._planners[key]

    def match(
        self,
        planners: Sequence[Planner],
        request: Any,
        headers: Headers,
        model: str | tuple[str, ...] | None = None,
    ) -> Planner | None:
        """The first rule for the request's model and caller; ``model`` is what its URL names.

        Of those that it could be, where it names no one model, the one that enforces most.
        """
        named = model or _named_in(as_dict(request)) or self._config.default_model
        could: list[Planner] = []
        for planner in planners:
            rule = planner.rule
            if not rule.is_for_model(named) or not (
                rule.callers is None or rule.callers.match(headers)
            ):
                continue
            could.append(planner)
            if rule.models is None or is_one_model(named):
                break
        return max(could, key=attrgetter("rule.strictness"), default=None)

    def rules(self) -> list[Rule]:
        """Each rule once."""
        return self._rules

    def references(self) -> list[str]:
        """Every schema that a rule names, once."""
        return list(dict.fromkeys(r for rule in self.rules() for r in rule.references()))


def _named_in(request: Mapping[str, Any]) -> Any:
    """The model in a body; no text where servers would not agree, since one in Go reads ``Model``
    too, or where another is asked when that one fails."""
    keys = [key for key in request if key.casefold() == "model"]
    others = [request[key] for key in _OTHERS if request.get(key)]
    return request["model"] if keys == ["model"] and not others else keys + others
