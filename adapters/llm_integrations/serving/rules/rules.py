"""Rules, made ready: which requests each one matches and what it judges by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.judge import Judge
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry import Registry
from llm_integrations.serving.config import InputConfig, MiddlewareConfig, OutputConfig, RuleConfig
from llm_integrations.serving.rules.checks import Check
from llm_integrations.serving.rules.named import SchemaSource
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.rules.plan import Plans
from llm_integrations.serving.shapes import Shape, shape_for
from llm_integrations.serving.shapes.base import as_dict

__all__ = ["MODULE", "InputRule", "OutputRule", "Rule", "RuleTable"]

MODULE = "vllm"


@dataclass(frozen=True, slots=True)
class InputRule:
    judge: Judge
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class OutputRule:
    judge: Judge
    source: SchemaSource
    tools: Mapping[str, str]
    config: OutputConfig

    @property
    def enforces(self) -> bool:
        return self.judge.mode == "enforce"


@dataclass(frozen=True)
class Rule:
    """One rule on one path. A side whose mode is off is not there."""

    name: str
    shape: Shape
    models: Patterns | None
    input: InputRule | None
    output: OutputRule | None
    fillable: Patterns | None
    config: RuleConfig

    @cached_property
    def plans(self) -> Plans:
        return Plans(self)

    def references(self) -> list[str]:
        """Every reference that the rule itself names."""
        sources = [check.source for check in self.input.checks] if self.input else []
        if self.output:
            sources.append(self.output.source)
        own = [source.own.reference for source in sources if source.own]
        return own + list(self.output.tools.values() if self.output else ())


class RuleTable:
    """The rules by path, so that a path without rules costs one look-up."""

    def __init__(
        self,
        config: MiddlewareConfig,
        registry: Registry,
        options: ValidationOptions | None = None,
    ) -> None:
        self._default_model = config.default_model
        self.by_path: dict[str, tuple[Rule, ...]] = {}
        for number, rule in enumerate(config.rules, start=1):
            for path in rule.paths:
                made = _rule(rule, number, path, registry, options)
                self.by_path[path] = (*self.by_path.get(path, ()), made)

    def match(self, rules: Sequence[Rule], request: Any) -> Rule | None:
        """The first rule that takes the request's model."""
        model = as_dict(request).get("model") or self._default_model
        for rule in rules:
            # Nobody knows what the server will take for no model, so every rule applies to it:
            # leaving it out must not be a way round one.
            if rule.models is None or model is None or rule.models.match(str(model)):
                return rule
        return None

    def rules(self) -> list[Rule]:
        """Each rule once."""
        found = {rule.name: rule for rules in self.by_path.values() for rule in rules}
        return list(found.values())


def _rule(
    config: RuleConfig,
    number: int,
    path: str,
    registry: Registry,
    options: ValidationOptions | None,
) -> Rule:
    return Rule(
        name=config.name or f"rule-{number}",
        shape=shape_for(path, config.shape),
        models=Patterns(config.models) if config.models else None,
        input=_input(config.input, registry, options),
        output=_output(config.output, registry, options),
        fillable=Patterns(config.fill_tools) if config.fill_tools else None,
        config=config,
    )


def _input(
    side: InputConfig | None, registry: Registry, options: ValidationOptions | None
) -> InputRule | None:
    if side is None or side.mode == "off":
        return None
    judge = Judge(registry, MODULE, "input", side.mode, side.on_unavailable, options)
    return InputRule(judge, tuple(map(Check, side.checks)))


def _output(
    side: OutputConfig | None, registry: Registry, options: ValidationOptions | None
) -> OutputRule | None:
    if side is None or side.mode == "off":
        return None
    judge = Judge(registry, MODULE, "output", side.mode, side.on_unavailable, options)
    tools = {name: str(SchemaRef.parse(reference)) for name, reference in side.tools.items()}
    return OutputRule(judge, SchemaSource(side.schema_ref, side.named_by), tools, side)
