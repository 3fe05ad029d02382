"""Which requests are judged, and what must hold of them and of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from llm_integrations.core.config import Mode, OnUnavailable
from llm_integrations.serving.config.paths import INFERENCE_PATHS
from llm_integrations.serving.config.section import (
    HeaderName,
    PathPattern,
    Pointer,
    Reference,
    Section,
)

__all__ = [
    "CheckConfig",
    "InputConfig",
    "NamedBy",
    "OutputConfig",
    "ReplyCheckConfig",
    "RuleConfig",
]

ShapeName = Literal["chat", "batch", "completions", "invocations", "responses", "messages", "json"]


class NamedBy(Section):
    """Lets the client name the schema, by a request header or by a field of the body."""

    header: HeaderName | None = Field(
        default=None, description="Request header that holds a reference."
    )
    field: Pointer | None = Field(default=None, description="JSON Pointer to a field of the body.")
    allow: tuple[str, ...] = Field(
        description="Subjects that a client may name; * stands for any text.", min_length=1
    )

    @model_validator(mode="after")
    def _somewhere(self) -> NamedBy:
        if self.header is None and self.field is None:
            raise ValueError("named_by needs a header or a field")
        return self


class _Named(Section):
    schema_ref: Reference | None = Field(
        default=None, alias="schema", description="subject@version, subject@latest or a subject."
    )
    named_by: NamedBy | None = None


class _Judged(_Named):
    shadow: Reference | None = Field(
        default=None,
        description="A version to try: judged and counted beside the schema, never enforced.",
    )


class _Part(_Named):
    required: bool = Field(
        default=False, description="Whether the field must be there (a pointer)."
    )
    json_text: bool = Field(
        default=False, description="The field is text that holds JSON (a pointer)."
    )

    @model_validator(mode="after")
    def _has_schema(self) -> Self:
        if self.schema_ref is None and self.named_by is None:
            raise ValueError("a check needs a schema or named_by")
        return self


class CheckConfig(_Part, _Judged):
    """One part of the request body and its schema."""

    of: str = Field(
        default="body",
        pattern=r"^(body|messages|(/[^/]+)+)$",
        description="body, messages (their text as JSON), or a JSON Pointer to a field; * is each "
        "item of a list.",
    )
    roles: tuple[str, ...] = Field(
        default=("user",), description="Messages of these roles (messages)."
    )
    which: Literal["last", "all"] = Field(default="last", description="Which of them (messages).")


class InputConfig(Section):
    """What must hold of a request before the model sees it."""

    mode: Mode = "enforce"
    on_unavailable: OnUnavailable | None = Field(
        default=None,
        description="No schema to judge by: raise answers 503. By default as mode says.",
    )
    checks: tuple[CheckConfig, ...] = Field(min_length=1)


class ReplyCheckConfig(_Part):
    """One part of the reply's body and its schema."""

    of: Pointer = Field(
        description="JSON Pointer into the reply, as /choices/*/message/metadata; * is each item "
        "of a list."
    )


class OutputConfig(_Judged):
    """What must hold of an answer."""

    schema_ref: Reference | None = Field(
        default=None,
        alias="schema",
        description="subject@version, subject@latest or a subject; client is what the request "
        "brings itself: the schema of its response_format, and the parameters of its tools.",
    )
    mode: Mode = "warn"
    on_unavailable: OnUnavailable | None = Field(
        default=None,
        description="No schema to judge by: raise answers 503. By default as mode says.",
    )
    of: str = Field(
        default="text",
        pattern=r"^(text|(/[^/]+)+)$",
        description="What the schema is for: the answer's text, or what a JSON Pointer leads to, "
        "as in checks.",
    )
    checks: tuple[ReplyCheckConfig, ...] = Field(
        default=(), description="Parts of the reply that have schemas of their own."
    )
    tools: Mapping[str, Reference] = Field(
        default_factory=dict, description="Schemas of tool-call arguments, by tool name."
    )
    other_tools: Literal["pass", "withhold"] = Field(
        default="pass",
        description="Calls of tools that have no schema here: pass lets them through, counted "
        "unjudged; withhold, under enforce, does not.",
    )
    on_length: Literal["judge", "skip", "invalid"] = Field(
        default="judge",
        description="An answer cut by the token limit is judged as it is, left unjudged, "
        "or never valid.",
    )
    retries: Literal[0, 1] = Field(
        default=0,
        description="Ask the model once more after an invalid answer (not when streaming).",
    )
    extract: tuple[Literal["fences", "think", "first_json"], ...] = Field(
        default=(),
        description="Of a text that is no JSON, judge what is inside fences, comes after a model's "
        "thoughts, or is the first JSON in it. The client gets the whole text.",
    )
    stream: Literal["pass", "hold"] = Field(
        default="pass",
        description="Under enforce: pass sends a stream on as it comes and holds its end back; "
        "hold sends nothing of a choice until it is judged.",
    )
    on_invalid: Literal["withhold", "drop_choice"] = Field(
        default="withhold",
        description="Under enforce: withhold the whole answer, or drop the invalid choices of "
        "several alone.",
    )
    constrain: bool = Field(
        default=False,
        description="Put the schema into the request, so that decoding is constrained.",
    )

    @model_validator(mode="after")
    def _of_is_for_a_schema(self) -> Self:
        if self.of != "text" and ((self.schema_ref or self.named_by) is None or self.shadow):
            raise ValueError("of is the place of a schema or named_by; shadow is for the text")
        return self

    def parts(self) -> tuple[ReplyCheckConfig, ...]:
        """The checks, what ``of`` is short for among them."""
        if self.of == "text":
            return self.checks
        short = ReplyCheckConfig(of=self.of, schema=self.schema_ref, named_by=self.named_by)
        return (short, *self.checks)

    @field_validator("extract", mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given


class RuleConfig(Section):
    """Which requests, and what must hold of them and of their answers."""

    name: str | None = None
    paths: tuple[PathPattern, ...] = Field(
        default=tuple(INFERENCE_PATHS),
        min_length=1,
        description="* stands for any text; by default the inference paths of known servers.",
    )
    models: tuple[str, ...] = Field(default=(), description="Model names, * stands for any text.")
    headers: Mapping[HeaderName, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Only requests with each of these headers, and one of its values; * stands for "
        "any text.",
    )
    keys_env: tuple[str, ...] = Field(
        default=(),
        description="Only requests whose key is in one of these environment variables.",
    )
    shape: ShapeName | None = Field(
        default=None,
        description="How to read bodies; by default what the path says, else plain JSON.",
    )
    input: InputConfig | None = None
    output: OutputConfig | None = None
    fill_tools: tuple[str, ...] = Field(
        default=(),
        description='Subjects that a tool may name as {"$ref": "schema:subject@version"}; '
        "the registry's schema is filled in.",
    )

    @field_validator("headers", mode="before")
    @classmethod
    def _one_value_or_several(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        return {
            name: (value,) if isinstance(value, str) else value for name, value in given.items()
        }

    @model_validator(mode="after")
    def _does_something(self) -> RuleConfig:
        if self.input is None and self.output is None and not self.fill_tools:
            raise ValueError("a rule needs input, output or fill_tools")
        return self
