"""One rule of the configuration, made ready: which requests it is for and what it judges by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from llm_integrations.core.judge import Judge, Side
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.serving.config.rules import InputConfig, OutputConfig, RuleConfig
from llm_integrations.serving.rules.callers import Callers
from llm_integrations.serving.rules.checks import Check, Field
from llm_integrations.serving.rules.client_schemas import CLIENT
from llm_integrations.serving.rules.named import SchemaSource
from llm_integrations.serving.rules.paths import shape_for
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.shapes import Shape

__all__ = ["InputRule", "MakeJudge", "OutputRule", "Rule"]

MakeJudge: TypeAlias = Callable[[Side, InputConfig | OutputConfig], Judge]
"""Makes the judge of a rule's side, ``input`` or ``output``."""


@dataclass(frozen=True, slots=True)
class InputRule:
    judge: Judge
    checks: tuple[Check, ...]
    shadow_judge: Judge


@dataclass(frozen=True, slots=True)
class OutputRule:
    """``by_client`` where the request brings schemas, unless it names one of the registry's."""

    judge: Judge
    source: SchemaSource
    by_client: bool
    checks: tuple[Field, ...]
    tools: Mapping[str, str]
    config: OutputConfig
    shadow: str | None
    shadow_judge: Judge

    @property
    def enforces(self) -> bool:
        return self.judge.mode == "enforce"

    @property
    def drops_choices(self) -> bool:
        return self.enforces and self.config.on_invalid == "drop_choice"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule on one path. A side whose mode is off is not there."""

    number: int
    name: str
    shape: Shape
    models: Patterns | None
    callers: Callers | None
    input: InputRule | None
    output: OutputRule | None
    fillable: Patterns | None
    config: RuleConfig

    @classmethod
    def of(cls, config: RuleConfig, number: int, path: str, judging: MakeJudge) -> Rule:
        return cls(
            number=number,
            name=config.name or f"rule-{number}",
            shape=shape_for(path, config.shape),
            models=Patterns(map(str.casefold, config.models)) if config.models else None,
            callers=Callers(config) if config.headers or config.keys_env else None,
            input=_input(config.input, judging),
            output=_output(config.output, judging),
            fillable=Patterns(config.fill_tools) if config.fill_tools else None,
            config=config,
        )

    def is_for_model(self, name: str) -> bool:
        return self.models is None or self.models.match(name.strip().casefold())

    @property
    def strictness(self) -> int:
        """On how many sides it enforces."""
        sides = (self.input, self.output)
        return sum(side is not None and side.judge.mode == "enforce" for side in sides)

    @property
    def matches_all(self) -> bool:
        """Whether it is for whatever model, and whoever asks."""
        return self.models is None and self.callers is None

    def sources(self) -> list[SchemaSource]:
        """Where the schemas of all but tools come from."""
        inputs = [check.source for check in self.input.checks] if self.input else []
        outputs = [check.source for check in self.output.checks] if self.output else []
        return [*inputs, *outputs, *([self.output.source] if self.output else [])]

    def references(self) -> list[str]:
        """Every reference that the rule itself names."""
        own = [source.own.reference for source in self.sources() if source.own]
        own += list(self.output.tools.values() if self.output else ())
        checked = [check.shadow for check in self.input.checks] if self.input else []
        return own + [s for s in (*checked, self.output and self.output.shadow) if s]


def _input(side: InputConfig | None, judging: MakeJudge) -> InputRule | None:
    if side is None or side.mode == "off":
        return None
    judge = judging("input", side)
    return InputRule(judge, tuple(map(Check, side.checks)), _shadow(judge))


def _output(side: OutputConfig | None, judging: MakeJudge) -> OutputRule | None:
    if side is None or side.mode == "off":
        return None
    tools = {name: str(SchemaRef.parse(reference)) for name, reference in side.tools.items()}
    by_client, is_text = side.schema_ref == CLIENT, side.of == "text"
    own = side.schema_ref if is_text and not by_client else None
    source = SchemaSource(own, side.named_by if is_text else None)
    checks = tuple(map(Field, side.parts()))
    judge = judging("output", side)
    shadow = None if side.shadow is None else str(SchemaRef.parse(side.shadow))
    by_client = by_client and is_text
    return OutputRule(judge, source, by_client, checks, tools, side, shadow, _shadow(judge))


def _shadow(judge: Judge) -> Judge:
    """Judges by a version that is tried, under a name of its own in the metrics."""
    return replace(judge, module=f"{judge.module}_shadow", mode="warn", on_unavailable="pass")
