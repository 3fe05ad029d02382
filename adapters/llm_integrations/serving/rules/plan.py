"""What one request is judged by: every schema resolved before anything is judged.

So a request is judged by one version from start to end, whatever changes meanwhile, a missing
schema is found out before inference is paid for, and the way back waits for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.judge import Judge
from llm_integrations.core.validation import Validator
from llm_integrations.serving.judging.failure import bad_request
from llm_integrations.serving.judging.refused import Refused
from llm_integrations.serving.judging.verdicts import schema_header
from llm_integrations.serving.rules.checks import Check
from llm_integrations.serving.rules.named import Named
from llm_integrations.serving.rules.resolve import resolve
from llm_integrations.serving.shapes import Shape
from llm_integrations.serving.shapes.base import as_dict

if TYPE_CHECKING:
    from llm_integrations.serving.rules.rules import OutputRule, Rule

__all__ = ["REUSED_SECONDS", "Answers", "Plan", "Plans"]

REUSED_SECONDS: Final = 0.05
"""How long a plan serves other requests: a new version counts that much later."""


class Answers:
    """What the answers to one request are judged by.

    Attributes:
        content: for the text; None where nothing judges it.
        tools: for the arguments of tool calls, by tool name.
    """

    __slots__ = ("content", "rule", "shape", "tools")

    def __init__(
        self,
        rule: OutputRule,
        shape: Shape,
        content: Validator | None,
        tools: Mapping[str, Validator],
    ) -> None:
        self.rule = rule
        self.shape = shape
        self.content = content
        self.tools = tools

    def header(self) -> bytes:
        """The schemas, as the value of ``x-schema``."""
        validators = [self.content] if self.content else []
        return schema_header(*(v.reference for v in (*validators, *self.tools.values())))


class Plan:
    """The schemas for one request.

    Attributes:
        inputs: the checks of the request, each with its schema.
        answers: what the answers are judged by; None where nothing does.
        unjudged: something passes because its schema is not to be had.
    """

    __slots__ = ("answers", "inputs", "unjudged", "until")

    def __init__(self) -> None:
        self.inputs: list[tuple[Check, Validator]] = []
        self.answers: Answers | None = None
        self.unjudged = False
        self.until = 0.0


class Plans:
    """Makes plans for one rule. One per rule.

    Where the request has no say in which schemas count, a plan serves all requests of a moment:
    asking the registry client for each would cost more than judging a small one.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._is_fixed = _is_fixed(rule)
        self._last: Plan | None = None

    def ready(self) -> Plan | None:
        """The last plan, if it holds for every request and is fresh."""
        last = self._last
        return last if last is not None and monotonic() < last.until else None

    async def make(
        self, headers: Mapping[bytes, bytes], request: Any, filled: Mapping[str, str]
    ) -> Plan:
        """The plan for a request; ``filled`` are the tools that named their schemas.

        Raises:
            Refused: 503 when a schema is not to be had and data may not pass without; 400 when
                the client names one that does not exist or may not be named, or asks for an
                answer that could not be judged.
        """
        plan = Plan()
        rule = self._rule
        if rule.input is not None:
            for check in rule.input.checks:
                named = check.source.pick(headers, request)
                validator = await _resolve(rule.input.judge, named, plan)
                if validator is not None:
                    plan.inputs.append((check, validator))
        if rule.output is not None:
            plan.answers = await _answers(rule.output, rule.shape, headers, request, filled, plan)
        if self._is_fixed and not plan.unjudged:
            plan.until = monotonic() + REUSED_SECONDS
            self._last = plan
        return plan


def _is_fixed(rule: Rule) -> bool:
    sources = [check.source for check in rule.input.checks] if rule.input else []
    if rule.output is not None:
        sources.append(rule.output.source)
        if rule.output.tools or (rule.output.enforces and rule.shape.defers):
            return False
    return rule.fillable is None and not any(source.depends for source in sources)


async def _answers(
    side: OutputRule,
    shape: Shape,
    headers: Mapping[bytes, bytes],
    request: Any,
    filled: Mapping[str, str],
    plan: Plan,
) -> Answers | None:
    if side.enforces and shape.defers and as_dict(request).get(shape.defers):
        message = "answers are judged here, so none can be left for later"
        raise Refused(bad_request(message, f"body.{shape.defers}"))
    content = await _resolve(side.judge, side.source.pick(headers, request), plan)
    tools: dict[str, Validator] = {}
    for name, reference in _tools(side, shape, request, filled).items():
        validator = await _resolve(side.judge, Named(reference), plan)
        if validator is not None:
            tools[name] = validator
    return Answers(side, shape, content, tools) if content or tools else None


async def _resolve(judge: Judge, named: Named | None, plan: Plan) -> Validator | None:
    if named is None:
        return None
    validator = await resolve(judge, named)
    plan.unjudged = plan.unjudged or validator is None
    return validator


def _tools(
    side: OutputRule, shape: Shape, request: Any, filled: Mapping[str, str]
) -> Mapping[str, str]:
    """Those tools of the rule that the request offers, and those that it names a schema for."""
    if not side.tools:
        return filled
    offered = {tool.name for tool in shape.tools(as_dict(request))}
    mine = {name: ref for name, ref in side.tools.items() if name in offered}
    return {**filled, **mine}
