"""The rules by path, so that a path without rules costs one look-up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from llm_integrations.core.registry import Registry
from llm_integrations.serving.config.file import MiddlewareConfig
from llm_integrations.serving.rules.client_schemas import ClientSchemas
from llm_integrations.serving.rules.paths import canonical, shape_for
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.rules.plan import Planner
from llm_integrations.serving.rules.rule import MakeJudge, Rule
from llm_integrations.serving.shapes.failure import Headers
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["RuleTable"]

_OTHERS: Final = ("models", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
"""Where OpenRouter and LiteLLM are told of models to ask beside, or instead of, the first."""

_MOST_NAMES: Final = 100
"""Of models in one request; beyond it nobody looks which they are."""


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
        """The first rule for the request's model and caller; ``model`` is what its URL names:
        one that counts alone, or several that do beside the body's.

        Of those that it could be, where it names no one model, the one that enforces most.
        """
        named = _named_in(as_dict(request), model) or self._config.default_model
        if isinstance(named, str) and "," not in named:
            return _first(planners, headers, named)
        names = _split(named)
        if 0 < len(names) <= _MOST_NAMES:
            could = [p for name in names if (p := _first(planners, headers, name)) is not None]
        else:
            could = list(_any_model(planners, headers))
        return max(could, key=attrgetter("rule.strictness"), default=None)

    def rules(self) -> list[Rule]:
        """Each rule once."""
        return self._rules

    def references(self) -> list[str]:
        """Every schema that a rule names, once."""
        return list(dict.fromkeys(r for rule in self.rules() for r in rule.references()))


def _first(planners: Sequence[Planner], headers: Headers, model: str) -> Planner | None:
    for planner in planners:
        rule = planner.rule
        if rule.is_for_model(model) and (rule.callers is None or rule.callers.match(headers)):
            return planner
    return None


def _any_model(planners: Sequence[Planner], headers: Headers) -> Iterator[Planner]:
    """Of the rules that a request could be of which names no model: to leave the name out must be
    no way round one."""
    for planner in planners:
        rule = planner.rule
        if rule.callers is None or rule.callers.match(headers):
            yield planner
            if rule.models is None:
                return


def _split(named: Any) -> Collection[str]:
    """Each name once; of what servers split at commas the whole too. None where it could be any."""
    texts = (named,) if isinstance(named, str) else named
    if not isinstance(texts, tuple):
        return ()
    return dict.fromkeys(name for text in texts for name in (text, *text.split(",")))


def _named_in(request: Mapping[str, Any], model: str | tuple[str, ...] | None) -> Any:
    """The model of a request; a tuple of it and those that are asked beside it, or when it fails;
    a list where it could be any, as where ``Model`` stands, which a server in Go reads too."""
    others = _others_in(request)
    keys = [key for key in request if key.casefold() == "model"]
    own = model if isinstance(model, str) else request.get("model")
    if not isinstance(model, str) and (keys != ["model"] or not isinstance(own, str)):
        return [*keys, *others, *(model or ())]
    asked = (*(model if isinstance(model, tuple) else ()), *others)
    return (own, *asked) if asked else own


def _others_in(request: Mapping[str, Any]) -> Sequence[str]:
    in_place = as_dict(request.get("extra_body"))
    found = [in_place["model"]] if "model" in in_place else []
    found += [body[key] for body in (request, in_place) for key in _OTHERS if body.get(key)]
    return [*_names_in(found)]


def _names_in(value: Any) -> Iterator[str]:
    """Every text in it that could name a model, however it is nested."""
    left = [value]
    while left:
        match left.pop():
            case str() as name:
                yield name
            case dict() as fields:
                left += (*fields, *fields.values())
            case list() as items:
                left += items
            case _:
                pass
