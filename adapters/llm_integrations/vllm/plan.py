"""What one request is judged by: every schema resolved before the model is asked.

So a request is judged by one version from start to end, whatever changes meanwhile, a missing
schema is found out before inference is paid for, and the way back waits for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_integrations.core.judge import Verdict
from llm_integrations.core.validation import Validator
from llm_integrations.vllm.checks import Piece
from llm_integrations.vllm.failure import bad_request, unavailable
from llm_integrations.vllm.guard import FAILED, failed
from llm_integrations.vllm.jsontext import judge_text
from llm_integrations.vllm.named import Named
from llm_integrations.vllm.pointer import param_of
from llm_integrations.vllm.refused import Refused
from llm_integrations.vllm.resolve import raises, ready, resolve
from llm_integrations.vllm.rules import InputRule, OutputRule, Rule
from llm_integrations.vllm.shapes import Shape
from llm_integrations.vllm.shapes.base import as_dict
from llm_integrations.vllm.verdicts import Verdicts, schema_header

__all__ = ["Answers", "judge_input", "resolve_answers"]


async def judge_input(
    rule: Rule, headers: Mapping[bytes, bytes], request: Any, verdicts: Verdicts
) -> None:
    """Judge what the rule wants to be judged of a request.

    Raises:
        Refused: 400 for invalid data under enforce; 503 when it cannot be judged and must be.
    """
    side = rule.input
    if side is None:
        return
    for check in side.checks:
        named = check.source.pick(headers, request)
        if named is None:
            continue
        validator = ready(side.judge, named) or await resolve(side.judge, named)
        if validator is None:
            verdicts.unjudged()
            continue
        for piece in check.pieces(rule.shape, request):
            verdict = _judge_piece(side, piece, validator)
            verdicts.add("input", validator.reference, verdict, piece.path)
            if verdict.outcome != "valid":
                _act(side, piece, verdict, verdicts)


def _act(side: InputRule, piece: Piece, verdict: Verdict, verdicts: Verdicts) -> None:
    if verdict is FAILED and raises(side.judge):
        raise Refused(unavailable())
    if verdict.report is not None and side.judge.mode == "enforce":
        inside = None if piece.is_text or piece.problem else verdict.report.errors[0]
        param = param_of(piece.path, inside)
        failure = bad_request(f"{param} {verdict.report}", param)
        raise Refused(failure.with_headers(verdicts.headers()))


def _judge_piece(side: InputRule, piece: Piece, validator: Validator) -> Verdict:
    try:
        if piece.problem is not None:
            return side.judge.refuse(validator, piece.problem)
        if piece.is_text:
            return judge_text(side.judge, validator, piece.value)
        return side.judge.judge_by(validator, piece.value)
    except Exception as error:  # noqa: BLE001 - a server must not fail because judging did
        return failed(side.judge, error)


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


async def resolve_answers(
    rule: Rule,
    headers: Mapping[bytes, bytes],
    request: Any,
    filled: Mapping[str, str],
    verdicts: Verdicts,
) -> Answers | None:
    """The schemas for the answers; ``filled`` are the tools that named theirs.

    Raises:
        Refused: 503 when a schema is not to be had and the answer must be judged; 400 when the
            request asks for an answer that could not be judged.
    """
    side = rule.output
    if side is None:
        return None
    if side.enforces and (field := rule.shape.deferred(as_dict(request))):
        raise Refused(
            bad_request("answers are judged here, so none can be left for later", f"body.{field}")
        )
    content = None
    named = side.source.pick(headers, request)
    if named is not None:
        content = ready(side.judge, named) or await resolve(side.judge, named)
        if content is None:
            verdicts.unjudged()
    tools: dict[str, Validator] = {}
    for name, reference in _tools(side, rule.shape, request, filled).items():
        validator = await resolve(side.judge, Named(reference))
        if validator is None:
            verdicts.unjudged()
        else:
            tools[name] = validator
    return Answers(side, rule.shape, content, tools) if content or tools else None


def _tools(
    side: OutputRule, shape: Shape, request: Any, filled: Mapping[str, str]
) -> Mapping[str, str]:
    """Those tools of the rule that the request offers, and those that it names a schema for."""
    if not side.tools:
        return filled
    offered = {tool.name for tool in shape.tools(as_dict(request))}
    mine = {name: ref for name, ref in side.tools.items() if name in offered}
    return {**filled, **mine}
