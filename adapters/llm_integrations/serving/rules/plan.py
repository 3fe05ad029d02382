"""What one request is judged by: every schema resolved before anything is judged.

So a request is judged by one version from start to end, whatever changes meanwhile, a missing
schema is found out before inference is paid for, and the way back waits for nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from llm_integrations.core.judge import Judge
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import Validator
from llm_integrations.core.validation.strangers import WORK, StrangersSchema
from llm_integrations.serving.rules.checks import Check, Field
from llm_integrations.serving.rules.client_schemas import ClientSchemas
from llm_integrations.serving.rules.named import Named
from llm_integrations.serving.rules.resolve import resolve
from llm_integrations.serving.rules.rule import OutputRule, Rule
from llm_integrations.serving.rules.tools import fill_tools
from llm_integrations.serving.shapes import Shape
from llm_integrations.serving.shapes.failure import Refused, bad_request
from llm_integrations.serving.shapes.jsontext import as_dict

__all__ = ["REUSED_SECONDS", "Answers", "Plan", "Planner"]

REUSED_SECONDS: Final = 0.05
"""How long a plan serves other requests: a new version counts that much later."""


@dataclass(slots=True)
class Answers:
    """What the answers to one request are judged by.

    Attributes:
        content: for the text; None where nothing judges it.
        tools: for the arguments of tool calls, by tool name.
        shadow: for the text, by the way.
        offered: the tools among them that the request offers; a model can call others too.
        missing: tools of the rule that were not offered, and whose schema is not to be had.
        weights: of the schemas that the client brought, by tool, "" for the text.
        checks: parts of the reply, each with its schema.
        work: what may still be done to judge by those.
    """

    rule: OutputRule
    shape: Shape
    content: Validator | None
    tools: Mapping[str, Validator]
    shadow: Validator | None = None
    offered: Collection[str] = ()
    missing: Collection[str] = ()
    weights: Mapping[str, int] = field(default_factory=dict)
    checks: Sequence[tuple[Field, Validator]] = ()
    work: int = WORK

    def references(self) -> list[str]:
        """The schemas that an answer is expected to be judged by."""
        validators = [self.content] if self.content else []
        offered = [tool for name, tool in self.tools.items() if name in self.offered]
        parts = [validator for _, validator in self.checks]
        return list(dict.fromkeys(v.reference for v in (*validators, *offered, *parts)))


@dataclass(slots=True)
class Plan:
    """The schemas for one request.

    Attributes:
        inputs: the checks of the request, each with its schema.
        shadows: the checks that are tried, each with its schema.
        fields: top-level fields of the request that are set: tools with schemas in place.
        answers: what the answers are judged by; None where nothing does.
        unjudged: something passes because its schema is not to be had.
        until: when it is too old for another request, by the monotonic clock.
    """

    inputs: list[tuple[Check, Validator]] = field(default_factory=list)
    shadows: list[tuple[Check, Validator]] = field(default_factory=list)
    fields: Mapping[str, Any] = field(default_factory=dict)
    answers: Answers | None = None
    unjudged: bool = False
    until: float = 0.0

    async def resolve(self, judge: Judge, named: Named | None) -> Validator | None:
        if named is None:
            return None
        validator = await resolve(judge, named)
        self.unjudged = self.unjudged or validator is None
        return validator


class Planner:
    """Makes plans for the requests of one rule on one path.

    Where the request has no say in which schemas count, a plan serves all requests of a moment:
    asking the registry client for each would cost more than judging a small one.

    Attributes:
        names: whether the request has a say.
    """

    def __init__(self, rule: Rule, registry: Registry, client: ClientSchemas) -> None:
        self.rule = rule
        self._registry = registry
        self._client = client
        names = rule.fillable is not None or any(s.depends for s in rule.sources())
        self.names = names or (rule.output is not None and rule.output.by_client)
        self._is_fixed = not self.names and _is_fixed(rule)
        self._last: Plan | None = None

    def ready(self) -> Plan | None:
        """The last plan, if it holds for every request and is fresh."""
        last = self._last
        return last if last is not None and monotonic() < last.until else None

    async def make(self, headers: Mapping[bytes, bytes], request: Any) -> Plan:
        """The plan for a request.

        Raises:
            Refused: 503 when a schema is not to be had and data may not pass without; 400 when
                the client names one that does not exist or may not be named, or asks for an
                answer that could not be judged.
        """
        plan = Plan()
        filled: Mapping[str, str] = {}
        if allow := self.rule.fillable:
            tools, filled = await fill_tools(self.rule.shape, request, self._registry, allow)
            plan.fields = {"tools": tools} if filled else {}
        before, after = self.rule.input, self.rule.output
        if before is not None:
            for check in before.checks:
                named = check.source.pick(headers, request)
                validator = await plan.resolve(before.judge, named)
                if validator is not None:
                    plan.inputs.append((check, validator))
                tried = await _tried(before.shadow_judge, check.shadow)
                if tried is not None:
                    plan.shadows.append((check, tried))
        if after is not None:
            named = self._answered_by(after, headers, request)
            offered = set(filled)
            if after.tools:
                offered |= self.rule.shape.offered(as_dict(request))
            tools = {**after.tools, **filled}
            brought: Mapping[str, StrangersSchema] = {}
            if after.by_client and named is None:
                shape = self.rule.shape
                brought = await self._client.of(after.judge, shape, as_dict(request), tools)
                offered.update(filter(None, brought))
            checks = await _checks(after, plan, headers, request)
            plan.answers = await self._answers(after, named, tools, brought, offered, checks, plan)
        if self._is_fixed and not plan.unjudged:
            plan.until = monotonic() + REUSED_SECONDS
            self._last = plan
        return plan

    def _answered_by(
        self, side: OutputRule, headers: Mapping[bytes, bytes], request: Any
    ) -> Named | None:
        defers = self.rule.shape.defers
        if side.enforces and defers and as_dict(request).get(defers):
            message = "answers are judged here, so none can be left for later"
            raise Refused(bad_request(message, f"body.{defers}"))
        return side.source.pick(headers, request)

    async def _answers(
        self,
        side: OutputRule,
        named: Named | None,
        tools: Mapping[str, str],
        brought: Mapping[str, StrangersSchema],
        offered: Collection[str],
        checks: Sequence[tuple[Field, Validator]],
        plan: Plan,
    ) -> Answers | None:
        content = await plan.resolve(side.judge, named)
        known = {name: schema.validator for name, schema in brought.items()}
        content = known.pop("", content)
        missing: list[str] = []
        for name, reference in tools.items():
            try:
                validator = await plan.resolve(side.judge, Named(reference))
            except Refused:
                if name in offered:
                    raise
                missing.append(name)  # which stops the answers that call it, and no other
            else:
                if validator is not None:
                    known[name] = validator
        if not (content or known or missing or checks):
            return None
        tried = await _tried(side.shadow_judge, side.shadow)
        weights = {name: schema.weight for name, schema in brought.items()}
        shape = self.rule.shape
        return Answers(side, shape, content, known, tried, offered, missing, weights, checks)


async def _checks(
    side: OutputRule, plan: Plan, headers: Mapping[bytes, bytes], request: Any
) -> list[tuple[Field, Validator]]:
    named = [(check, check.source.pick(headers, request)) for check in side.checks]
    found = [(check, await plan.resolve(side.judge, each)) for check, each in named]
    return [(check, validator) for check, validator in found if validator is not None]


async def _tried(judge: Judge, reference: str | None) -> Validator | None:
    """A schema that is tried; one that is not to be had stops nothing."""
    return None if reference is None else await resolve(judge, Named(reference))


def _is_fixed(rule: Rule) -> bool:
    side = rule.output
    return side is None or not (side.tools or (side.enforces and rule.shape.defers))
